(function () {
  "use strict";
  // Everything that comes from a book is put on the page with textContent or drawn on the canvas, never as markup.
  var CHIEF = 16;  // listed beside the graph, and always with their names in it
  var data = JSON.parse(document.getElementById("data").textContent);
  var words = data.words, people = data.people, ties = data.ties;
  document.querySelector(".off").remove();  // says what a page shows where this script doesn't run
  var panel = document.getElementById("panel"), found = document.getElementById("found");
  var search = document.getElementById("search"), everything = document.getElementById("all");
  var many = document.getElementById("many"), limit = data.shown, guests = new Set(), placed = data.shown;
  var hidden = new Set(), chosen = -1, opened = -1, circle = -1, hovered = -1, marked = 0, groupOf = Object.create(null);
  data.groups.forEach(function (g) { g.kinds.forEach(function (k) { groupOf[k] = g; }); });

  function el(tag, text, className) {
    var made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  function say(word, n) { return words[word].replace("{n}", n); }
  function ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function shownRelation(tie) { return tie.relations.find(function (r) { return !hidden.has(groupOf[r.kind].id); }); }

  function nodeOf(p, i) {
    return { data: { id: "n" + i, label: p.label, r: p.r * 2, font: p.font, fill: p.fill, border: p.border, z: people.length - i },
      position: { x: p.x, y: p.y } };
  }
  function edgeOf(t, i) {
    return { data: { id: "e" + i, source: "n" + t.a, target: "n" + t.b, width: t.width, colour: groupOf[t.relations[0].kind].colour } };
  }
  var tiesOf = people.map(function () { return []; });
  ties.forEach(function (t, i) { tiesOf[t.a].push(i); tiesOf[t.b].push(i); });
  function other(t, i) { return t.a === i ? t.b : t.a; }
  var elements = people.slice(0, data.shown).map(nodeOf);
  ties.forEach(function (t, i) { if (Math.max(t.a, t.b) < data.shown) elements.push(edgeOf(t, i)); });
  var fonts = getComputedStyle(document.body).fontFamily;
  var cy = cytoscape({
    container: document.getElementById("graph"), elements: elements, layout: { name: "preset", padding: 36 },
    minZoom: 0.1, maxZoom: 5, boxSelectionEnabled: false,
    style: [
      { selector: "node", style: { "label": "data(label)", "width": "data(r)", "height": "data(r)", "background-color": "data(fill)",
        "border-color": "data(border)", "border-width": 1.5, "font-family": fonts, "font-size": "data(font)", "color": ink("--ink"),
        "text-valign": "bottom", "text-margin-y": 3, "text-outline-color": ink("--paper"), "text-outline-width": 2.5, "z-index": "data(z)",
        "overlay-opacity": 0 } },
      { selector: "edge", style: { "width": "data(width)", "line-color": "data(colour)", "opacity": 0.6, "curve-style": "straight",
        "overlay-opacity": 0 } },
      { selector: ".out", style: { "display": "none" } },
      { selector: ".dim", style: { "opacity": 0.13 } },
      { selector: "edge.near", style: { "opacity": 0.95, "z-index": 900 } },
      { selector: "node.chosen", style: { "border-width": 4, "border-color": ink("--ink"), "z-index": 999 } }
    ]
  });

  // People beyond those laid out: a place beside the strongest tie that is shown, on a spiral, where nobody stands.
  function present(i) { return i < limit || guests.has(i); }
  function free(x, y) {
    return people.every(function (q) { return q.x === undefined || Math.abs(q.x - x) > 46 || Math.abs(q.y - y) > 34; });
  }
  function place(i) {
    var p = people[i];
    if (p.x !== undefined) return;
    var tie = tiesOf[i].find(function (t) { return people[other(ties[t], i)].x !== undefined; });
    var anchor = tie === undefined ? { x: 0, y: 0 } : people[other(ties[tie], i)], step = 0, x, y;
    do {
      step += 1;
      x = anchor.x + 26 * Math.sqrt(step) * Math.cos(2.4 * step);
      y = anchor.y + 26 * Math.sqrt(step) * Math.sin(2.4 * step);
    } while (!free(x, y));
    p.x = x; p.y = y; p.r = 7; p.font = 12; p.fill = ink("--plain"); p.border = ink("--soft");
    cy.add(nodeOf(p, i));
    tiesOf[i].forEach(function (t) { if (people[other(ties[t], i)].x !== undefined) cy.add(edgeOf(ties[t], t)); });
  }
  function invite(i) {
    if (present(i)) return;
    guests.add(i);
    tiesOf[i].slice(0, 6).forEach(function (t) { guests.add(other(ties[t], i)); });
    guests.forEach(place);
  }
  function lit() {
    if (opened >= 0) return cy.getElementById("e" + opened).connectedNodes().union(cy.getElementById("e" + opened));
    if (circle >= 0) {
      var own = cy.collection(data.circles[circle].people.map(function (i) { return cy.getElementById("n" + i); }));
      return own.union(own.edgesWith(own));
    }
    var one = chosen >= 0 ? chosen : hovered;
    if (one < 0) return null;
    var node = cy.getElementById("n" + one), edges = node.connectedEdges().not(".out");
    return edges.connectedNodes().union(edges).union(node);
  }
  function refresh() {
    cy.batch(function () {
      people.forEach(function (p, i) { if (p.x !== undefined) cy.getElementById("n" + i).toggleClass("out", !present(i)); });
      ties.forEach(function (t, i) {
        var edge = cy.getElementById("e" + i);
        if (!edge.length) return;
        var relation = shownRelation(t), near = t.a === chosen || t.b === chosen || i === opened;
        edge.toggleClass("out", !relation || !present(t.a) || !present(t.b) || !(t.drawn || everything.checked || near));
        if (relation) edge.data("colour", groupOf[relation.kind].colour);
      });
      highlight();
    });
  }
  function highlight() {
    cy.batch(function () {
      cy.elements().removeClass("dim near chosen");
      var bright = lit();
      if (!bright) return;
      cy.elements().not(bright).addClass("dim");
      bright.addClass("near");
      if (chosen >= 0) cy.getElementById("n" + chosen).addClass("chosen");
    });
    writeSoon();
  }
  // Names are readable however far out: each at 11 pixels or more at a side of its circle where none is written yet,
  // the lit and important first. Those of the chief characters are always written, where they cover least.
  var SIDES = [["center", "bottom", 0, 3], ["center", "top", 0, -3], ["right", "center", 3, 0], ["left", "center", -3, 0]];
  function writeNames() {
    var zoom = cy.zoom(), taken = [];
    function covered(box) {
      return taken.reduce(function (sum, other) {
        var wide = Math.min(box[2], other[2]) - Math.max(box[0], other[0]), high = Math.min(box[3], other[3]) - Math.max(box[1], other[1]);
        return wide > 0 && high > 0 ? sum + wide * high : sum;
      }, 0);
    }
    cy.batch(function () {
      function rank(node) { return node.data("z") + (node.hasClass("near") ? people.length : 0); }
      cy.nodes().not(".out").sort(function (a, b) { return rank(b) - rank(a); }).forEach(function (node) {
        var size = Math.max(node.data("font"), 11 / zoom), at = node.position(), half = size * widthOf(node.data("label")) / 2;
        var r = node.data("r") / 2, high = size * 1.2, best = null;
        SIDES.forEach(function (side) {
          var x = at.x + Math.sign(side[2]) * (r + half), y = at.y + Math.sign(side[3]) * (r + high / 2);
          var box = [x - half, y - high / 2, x + half, y + high / 2], cost = covered(box);
          if (!best || cost < best.cost) best = { cost: cost, box: box, side: side };
        });
        var written = best.cost === 0 || node.hasClass("near") || node.data("z") > people.length - CHIEF;
        if (written) taken.push(best.box);
        node.style({ "font-size": size, "text-opacity": written ? 1 : 0, "text-halign": best.side[0], "text-valign": best.side[1],
          "text-margin-x": best.side[2], "text-margin-y": best.side[3] });
      });
    });
  }
  function widthOf(label) {
    return Array.from(label).reduce(function (sum, c) { return sum + (c > "\u2e7f" ? 1 : 0.56); }, 0);
  }
  var waiting = 0;
  function writeSoon() {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(writeNames);
  }

  function chips(title, values) {
    if (!values.length) return;
    panel.appendChild(el("h3", title));
    var row = panel.appendChild(el("div", undefined, "chips"));
    values.forEach(function (v) { row.appendChild(el("span", v)); });
  }
  function linkTo(i) {
    var link = el("a", people[i].name);
    link.addEventListener("click", function () { choose(i, true); });
    return link;
  }
  function relationLine(tie, r) {
    var line = el("div", undefined, "tie"), kind = el("span", data.kinds[r.kind], "kind");
    kind.style.background = groupOf[r.kind].colour;
    line.appendChild(kind);
    var directed = data.symmetric.indexOf(r.kind) < 0;
    if (chosen < 0) line.appendChild(linkTo(r.from)).after(directed ? " → " : " — ");
    else if (directed) line.appendChild(document.createTextNode(r.from === chosen ? "→ " : "← "));
    line.appendChild(linkTo(other(tie, chosen < 0 ? r.from : chosen)));
    if (r.label && r.label !== data.kinds[r.kind]) line.appendChild(document.createTextNode(" · " + r.label));
    line.appendChild(el("span", say("times", r.count) + (r.first ? " · " + say("first", r.first) : ""), "times"));
    if (r.description) line.appendChild(el("p", r.description));
    if (r.evidence) line.appendChild(el("blockquote", r.evidence));
    return line;
  }
  function welcome() {
    panel.appendChild(el("p", people.length ? words.hint : words.nothing, "hint"));
    people.slice(0, CHIEF).forEach(function (p, i) {
      var line = panel.appendChild(el("div", undefined, "tie")), link = line.appendChild(el("a", p.name));
      link.addEventListener("click", function () { choose(i, true); });
      if (p.chapters) line.appendChild(el("span", say("chapters", p.chapters), "times"));
      if (p.aliases.length) line.appendChild(el("span", p.aliases.slice(0, 4).join(words.comma), "times"));
    });
  }
  function relationLines(tie) {
    return tie.relations.filter(function (r) { return !hidden.has(groupOf[r.kind].id); })
      .map(function (r) { return { group: groupOf[r.kind].id, line: relationLine(tie, r) }; });
  }
  function describe() {
    panel.replaceChildren();
    panel.scrollTop = 0;
    if (opened >= 0) { relationLines(ties[opened]).forEach(function (one) { panel.appendChild(one.line); }); return; }
    if (chosen < 0) { welcome(); return; }
    var p = people[chosen], meta = [p.title];
    if (p.chapters) meta.push(say("chapters", p.chapters));
    if (p.first) meta.push(say("first", p.first));
    panel.appendChild(el("h2", p.name));
    panel.appendChild(el("p", meta.filter(Boolean).join(" · "), "meta"));
    if (p.description) panel.appendChild(el("p", p.description));
    chips(words.aliases, p.aliases);
    chips(words.traits, p.traits || []);
    chips(words.organizations, p.organizations || []);
    var lines = tiesOf[chosen].flatMap(function (t) { return relationLines(ties[t]); });
    lines.sort(function (a, b) { return (a.group === "other") - (b.group === "other"); }); // what the text states comes first
    if (lines.length) panel.appendChild(el("h3", words.relations + " " + lines.length));
    lines.forEach(function (one) { panel.appendChild(one.line); });
    chips(words.events, p.events || []);
  }
  function choose(index, move) {
    chosen = index;
    opened = circle = -1;
    if (index >= 0) invite(index);
    refresh();
    describe();
    if (move && index >= 0) cy.animate({ center: { eles: cy.getElementById("n" + index) }, duration: 250 });
  }

  function matches() {
    var wanted = search.value.trim().toLowerCase();
    if (!wanted) return [];
    return people.map(function (p, i) {
      var alias = [p.name].concat(p.aliases).find(function (n) { return n.toLowerCase().indexOf(wanted) >= 0; });
      return alias === undefined ? null : { index: i, alias: alias };
    }).filter(Boolean).slice(0, 12);
  }
  function suggest() {
    var hits = matches();
    marked = Math.max(0, Math.min(marked, hits.length - 1));
    found.replaceChildren();
    if (search.value.trim() && !hits.length) found.appendChild(el("li", words.no_match, "hint"));
    hits.forEach(function (hit, i) {
      var item = el("li", people[hit.index].name, i === marked ? "on" : "");
      if (hit.alias !== people[hit.index].name) item.appendChild(el("small", hit.alias));
      item.addEventListener("mousedown", function (event) { event.preventDefault(); pick(hit.index); });
      found.appendChild(item);
    });
  }
  function pick(index) {
    search.value = "";
    found.replaceChildren();
    choose(index, true);
  }
  search.addEventListener("input", function () { marked = 0; suggest(); });
  search.addEventListener("blur", function () { found.replaceChildren(); });
  search.addEventListener("keydown", function (event) {
    var hits = matches();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      marked += event.key === "ArrowDown" ? 1 : -1;
      suggest();
      event.preventDefault();
    } else if (event.key === "Enter" && hits.length) pick(hits[marked].index);
    else if (event.key === "Escape") { search.value = ""; found.replaceChildren(); }
  });

  var legend = document.getElementById("legend");
  data.groups.forEach(function (group) {
    if (!group.kinds.length) return;
    var button = el("button"), line = button.appendChild(el("i"));
    line.style.background = group.colour;
    button.type = "button";
    button.title = group.kinds.map(function (k) { return data.kinds[k]; }).join(words.comma);
    button.appendChild(document.createTextNode(group.name));
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", function () {
      if (!hidden.delete(group.id)) hidden.add(group.id);
      button.setAttribute("aria-pressed", String(!hidden.has(group.id)));
      refresh();
      describe();
    });
    legend.appendChild(button);
  });
  data.circles.forEach(function (c, i) {
    var button = el("button"), dot = button.appendChild(el("b"));
    dot.style.background = c.fill;
    button.type = "button";
    button.appendChild(document.createTextNode(c.name));
    button.addEventListener("click", function () { chosen = opened = -1; circle = circle === i ? -1 : i; refresh(); describe(); });
    legend.appendChild(button);
  });
  cy.on("tap", "node", function (event) { choose(Number(event.target.id().slice(1)), false); });
  cy.on("tap", "edge", function (event) {
    chosen = circle = -1;
    opened = Number(event.target.id().slice(1));
    refresh();
    describe();
  });
  cy.on("mouseover mouseout", "node", function (event) {
    hovered = event.type === "mouseover" ? Number(event.target.id().slice(1)) : -1;
    highlight();
  });
  cy.on("zoom", writeSoon);
  function showMany() {
    limit = Number(many.value);
    for (; placed < limit; placed += 1) place(placed);
    many.nextElementSibling.textContent = say("many", limit).replace("{all}", people.length);
    refresh();
  }
  many.max = Math.max(1, people.length);
  many.value = data.shown;
  many.addEventListener("input", showMany);
  document.getElementById("png").addEventListener("click", function () {
    var link = el("a"), image = cy.png({ output: "blob", full: true, scale: 2, maxWidth: 6000, maxHeight: 6000, bg: ink("--paper") });
    link.href = URL.createObjectURL(image);
    link.download = document.title + ".png";
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  });
  cy.on("tap", function (event) { if (event.target === cy) choose(-1, false); });
  everything.addEventListener("change", refresh);
  document.getElementById("fit").addEventListener("click", function () { cy.animate({ fit: { padding: 36 }, duration: 250 }); });
  // Beside the panel the legend stands below the graph, which ends above it. In a notebook's tab that isn't shown
  // there is no room to fit into: it is done when the graph gets some, which needn't resize the window.
  var graph = document.getElementById("graph"), fitted = false;
  function fitAll() {
    fitted = graph.clientWidth > 0;
    if (!fitted) return;
    var below = getComputedStyle(legend).position === "absolute";
    graph.style.marginBottom = below ? legend.offsetHeight + 20 + "px" : "";
    cy.resize();
    cy.fit(undefined, 36);
    if (cy.zoom() < 0.4) cy.fit(cy.nodes().slice(0, 2 * CHIEF), 36);  // in a small window the rest is found by moving it
  }
  window.addEventListener("resize", fitAll);
  new ResizeObserver(function () { if (!fitted) fitAll(); }).observe(graph);
  showMany();
  describe();
  fitAll();
  writeNames();
  document.body.dataset.ready = cy.nodes().length + "/" + cy.edges().length;
})();
