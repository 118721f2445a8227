(function () {
  "use strict";
  // Everything that comes from a book is put on the page with textContent or drawn on the canvas, never as markup.
  var data = JSON.parse(document.getElementById("data").textContent);
  var words = data.words, people = data.people, ties = data.ties;
  var panel = document.getElementById("panel"), found = document.getElementById("found");
  var search = document.getElementById("search"), everything = document.getElementById("all");
  var hidden = new Set(), chosen = -1, marked = 0, groupOf = Object.create(null);
  data.groups.forEach(function (g) { g.kinds.forEach(function (k) { groupOf[k] = g; }); });

  function el(tag, text, className) {
    var made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  function say(word, n) { return words[word].replace("{n}", n); }
  function shownRelation(tie) { return tie.relations.find(function (r) { return !hidden.has(groupOf[r.kind].id); }); }

  var elements = people.map(function (p, i) {
    return { data: { id: "n" + i, label: p.label, r: p.r * 2, font: p.font, fill: p.fill, border: p.border, z: people.length - i },
      position: { x: p.x, y: p.y } };
  }).concat(ties.map(function (t, i) {
    return { data: { id: "e" + i, source: "n" + t.a, target: "n" + t.b, width: t.width, colour: groupOf[t.relations[0].kind].colour } };
  }));
  var fonts = getComputedStyle(document.body).fontFamily;
  var cy = cytoscape({
    container: document.getElementById("graph"), elements: elements, layout: { name: "preset", padding: 36 },
    minZoom: 0.1, maxZoom: 5, boxSelectionEnabled: false,
    style: [
      { selector: "node", style: { "label": "data(label)", "width": "data(r)", "height": "data(r)", "background-color": "data(fill)",
        "border-color": "data(border)", "border-width": 1.5, "font-family": fonts, "font-size": "data(font)", "color": "#232833",
        "text-valign": "bottom", "text-margin-y": 3, "text-outline-color": "#fdfcf9", "text-outline-width": 2.5, "z-index": "data(z)",
        "min-zoomed-font-size": 5, "overlay-opacity": 0 } },
      { selector: "edge", style: { "width": "data(width)", "line-color": "data(colour)", "opacity": 0.6, "curve-style": "straight",
        "overlay-opacity": 0 } },
      { selector: ".out", style: { "display": "none" } },
      { selector: ".dim", style: { "opacity": 0.13 } },
      { selector: "edge.near", style: { "opacity": 0.95, "z-index": 900 } },
      { selector: "node.chosen", style: { "border-width": 4, "border-color": "#232833", "z-index": 999 } }
    ]
  });

  function refresh() {
    cy.batch(function () {
      ties.forEach(function (t, i) {
        var relation = shownRelation(t), edge = cy.getElementById("e" + i), near = t.a === chosen || t.b === chosen;
        edge.toggleClass("out", !relation || !(t.drawn || everything.checked || near));
        if (relation) edge.data("colour", groupOf[relation.kind].colour);
      });
      cy.elements().removeClass("dim near chosen");
      if (chosen < 0) return;
      var node = cy.getElementById("n" + chosen), edges = node.connectedEdges().not(".out");
      cy.elements().not(edges.connectedNodes().union(edges).union(node)).addClass("dim");
      edges.addClass("near");
      node.addClass("chosen");
    });
  }

  function chips(title, values) {
    if (!values.length) return;
    panel.appendChild(el("h3", title));
    var row = panel.appendChild(el("div", undefined, "chips"));
    values.forEach(function (v) { row.appendChild(el("span", v)); });
  }
  function relationLine(other, r) {
    var line = el("div", undefined, "tie"), kind = el("span", data.kinds[r.kind], "kind");
    kind.style.background = groupOf[r.kind].colour;
    var link = el("a", people[other].name);
    link.addEventListener("click", function () { choose(other, true); });
    line.appendChild(kind);
    if (data.symmetric.indexOf(r.kind) < 0) line.appendChild(document.createTextNode(r.from === chosen ? "→ " : "← "));
    line.appendChild(link);
    if (r.label && r.label !== data.kinds[r.kind]) line.appendChild(document.createTextNode(" · " + r.label));
    line.appendChild(el("span", say("times", r.count) + (r.first ? " · " + say("first", r.first) : ""), "times"));
    if (r.description) line.appendChild(el("p", r.description));
    if (r.evidence) line.appendChild(el("blockquote", r.evidence));
    return line;
  }
  function welcome() {
    panel.appendChild(el("p", people.length ? words.hint : words.nothing, "hint"));
    people.slice(0, 16).forEach(function (p, i) {
      var line = panel.appendChild(el("div", undefined, "tie")), link = line.appendChild(el("a", p.name));
      link.addEventListener("click", function () { choose(i, true); });
      if (p.chapters) line.appendChild(el("span", say("chapters", p.chapters), "times"));
      if (p.aliases.length) line.appendChild(el("span", p.aliases.slice(0, 4).join(words.comma), "times"));
    });
  }
  function describe() {
    panel.replaceChildren();
    panel.scrollTop = 0;
    if (chosen < 0) { welcome(); return; }
    var p = people[chosen], meta = [p.title];
    if (p.chapters) meta.push(say("chapters", p.chapters));
    if (p.first) meta.push(say("first", p.first));
    panel.appendChild(el("h2", p.name));
    panel.appendChild(el("p", meta.filter(Boolean).join(" · "), "meta"));
    if (p.description) panel.appendChild(el("p", p.description));
    chips(words.aliases, p.aliases);
    chips(words.traits, p.traits);
    chips(words.organizations, p.organizations);
    var lines = [];
    ties.forEach(function (t) {
      if (t.a !== chosen && t.b !== chosen) return;
      t.relations.forEach(function (r) {
        if (!hidden.has(groupOf[r.kind].id)) lines.push(relationLine(t.a === chosen ? t.b : t.a, r));
      });
    });
    if (lines.length) panel.appendChild(el("h3", words.relations + " " + lines.length));
    lines.forEach(function (line) { panel.appendChild(line); });
    chips(words.events, p.events);
  }
  function choose(index, move) {
    chosen = index;
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
  cy.on("tap", "node", function (event) { choose(Number(event.target.id().slice(1)), false); });
  cy.on("tap", function (event) { if (event.target === cy) choose(-1, false); });
  everything.addEventListener("change", refresh);
  document.getElementById("fit").addEventListener("click", function () { cy.animate({ fit: { padding: 36 }, duration: 250 }); });
  window.addEventListener("resize", function () { cy.resize(); cy.fit(undefined, 36); });
  refresh();
  describe();
  cy.fit(undefined, 36);
  document.body.dataset.ready = cy.nodes().length + "/" + cy.edges().length;
})();
