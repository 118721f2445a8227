// The drawing: circles for the entities that are shown, lines for what joins them. Nothing moves once it has a place.
function Canvas(model, view, hooks) {
  "use strict";
  var data = model.data, people = data.people, groupOf = Object.create(null), spots = Object.create(null), hovered = "";
  data.groups.forEach(function (g) { g.kinds.forEach(function (k) { groupOf[k] = g; }); });
  function ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function colour(tie) { return ink("--" + groupOf[tie.kind].id); }
  function style() {
    return [
      { selector: "node", style: { "label": "data(label)", "width": "data(r)", "height": "data(r)", "background-color": "data(fill)",
        "border-color": "data(border)", "border-width": 1.5, "font-family": getComputedStyle(document.body).fontFamily,
        "font-size": "data(font)", "color": ink("--ink"), "text-valign": "bottom", "text-margin-y": 3,
        "text-outline-color": ink("--paper"), "text-outline-width": 2.5, "z-index": "data(z)", "overlay-opacity": 0 } },
      { selector: "edge", style: { "width": "data(width)", "line-color": "data(colour)", "opacity": 0.6, "curve-style": "straight",
        "overlay-opacity": 0 } },
      { selector: ".dim", style: { "opacity": 0.12 } },
      { selector: "edge.near", style: { "opacity": 0.95, "z-index": 900 } },
      { selector: "edge.far", style: { "display": "none" } },
      { selector: "node.chosen", style: { "border-width": 4, "border-color": ink("--ink"), "z-index": 999 } },
      { selector: ".way", style: { "opacity": 1, "border-width": 4, "border-color": ink("--accent"), "z-index": 998 } },
      { selector: "edge.way", style: { "width": 6, "line-color": ink("--accent") } }
    ];
  }
  var holder = document.getElementById("graph"), cy = cytoscape({ container: holder, layout: { name: "preset" }, minZoom: 0.05, maxZoom: 5,
    boxSelectionEnabled: false, style: style() });
  if (window.matchMedia) {
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { cy.style(style()); canvas.refresh(); });
  }

  // A place of its own for each entity, kept: those laid out with the page have theirs; others get the free point of a
  // lattice that is nearest to their strongest tie that has a place. A point has room for a small circle and its name.
  var HIGH = 46, WIDE = lattice(), SMALL = 10, taken = new Set();
  people.forEach(function (p, i) {
    if (p.x === undefined) return;
    spots[i] = { x: p.x, y: p.y, most: Math.max(p.r, SMALL) };
    var half = Math.max(p.r, p.font * textWidth(cut(p.forms[0][0])) / 2) + WIDE / 2, name = p.r + p.font * 1.4;
    for (var row = Math.ceil((p.y - p.r) / HIGH - 0.5); row <= (p.y + name) / HIGH + 0.5; row++) {
      for (var column = Math.ceil((p.x - half) / WIDE) - 1; column <= (p.x + half) / WIDE; column++) {
        if (Math.abs(point(column, row).x - p.x) < half) taken.add(column + "," + row);
      }
    }
  });
  function lattice() {
    var widths = people.map(function (p) { return textWidth(cut(p.forms[0][0])); }).sort(function (a, b) { return a - b; });
    return Math.max(40, 12 * (widths[Math.floor(widths.length * 0.7)] || 3) + 12);
  }
  function point(column, row) { return { x: WIDE * (column + (row % 2 ? 0.5 : 0)), y: HIGH * row }; }
  function place(id) {
    if (spots[id]) return spots[id];
    var entity = model.entity(id);
    var tie = entity && entity.ties.find(function (t) { return spots[model.other(t, id)]; });
    var anchor = tie ? spots[model.other(tie, id)] : { x: 0, y: 0 }, best = null;
    var row = Math.round(anchor.y / HIGH), column = Math.round(anchor.x / WIDE);
    for (var ring = 0; !best || HIGH * (ring - 1) < best.far; ring++) {  // rings that can still be nearer
      for (var r = -ring; r <= ring; r++) {
        for (var c = -ring; c <= ring; c += Math.abs(r) === ring ? 1 : Math.max(1, 2 * ring)) {
          var at = point(column + c, row + r), far = Math.hypot(at.x - anchor.x, at.y - anchor.y);
          if (!taken.has((column + c) + "," + (row + r)) && (!best || far < best.far)) best = { x: at.x, y: at.y, far: far, key: (column + c) + "," + (row + r) };
        }
      }
    }
    taken.add(best.key);
    return (spots[id] = { x: best.x, y: best.y, most: SMALL });
  }

  function width(ties) {
    var heaviest = ties.reduce(function (sum, t) { return sum + model.weight(t); }, 0);
    return Math.min(7, 1 + 0.55 * Math.sqrt(heaviest));
  }
  function visible(tie) { return !view.hidden.has(groupOf[tie.kind].id) && tie.strength >= view.least; }

  // Of the strongest ties of everybody shown, as many as keep the picture legible: a spanning forest (Kruskal) and a
  // few of each. What is chosen shows all of its own.
  function drawn(pairs, ids) {
    var parent = Object.create(null), used = Object.create(null), keep = new Set();
    ids.forEach(function (id) { parent[id] = id; used[id] = 0; });
    function find(id) { while (parent[id] !== id) id = parent[id] = parent[parent[id]]; return id; }
    pairs.forEach(function (pair) {
      var a = find(pair.a), b = find(pair.b);
      var claims = Math.max(used[pair.a], used[pair.b]) < 12 && Math.min(used[pair.a], used[pair.b]) < 4;
      if (a === b && !claims) return;
      parent[a] = b;
      used[pair.a] += 1;
      used[pair.b] += 1;
      keep.add(pair.key);
    });
    return keep;
  }

  var canvas = { cy: cy, groupOf: groupOf };
  // Draw what the view shows of the model; places and zoom stay.
  canvas.refresh = function () {
    var ids = view.shown(), shown = new Set(ids), pairs = [];
    model.pairs().forEach(function (ties, key) {
      if (!shown.has(ties[0].a) || !shown.has(ties[0].b)) return;
      var seen = ties.filter(visible);
      if (!seen.length) return;
      pairs.push({ key: key, a: ties[0].a, b: ties[0].b, ties: seen, weight: seen.reduce(function (s, t) { return s + model.weight(t); }, 0) });
    });
    pairs.sort(function (p, q) { return q.weight - p.weight; });
    var keep = drawn(pairs, ids);
    ids.forEach(place);
    var heaviest = ids.length ? model.entity(ids[0]).weight || 1 : 1;
    cy.batch(function () {
      cy.nodes().filter(function (node) { return !shown.has(node.data("entity")); }).remove();  // with whoever is unknown to the reader
      ids.forEach(function (id) {
        var spot = spots[id], entity = model.entity(id), circle = data.circles[people[entity.person].circle], node = cy.getElementById("n" + id);
        var size = Math.pow(entity.weight / heaviest, 1.4);  // as kgnb/render/picture/scene.py draws them
        var facts = { id: "n" + id, entity: id, label: cut(entity.name), r: 2 * Math.min(spot.most, 7 + 21 * size), font: 12 + 8.5 * size, fill: circle[0],
          border: circle[1], z: Math.round(1000 * entity.weight) };
        if (node.length) node.data(facts);
        else cy.add({ group: "nodes", data: facts, position: { x: spot.x, y: spot.y } });
      });
      var wanted = new Set();
      pairs.forEach(function (pair) {
        var near = view.chosen === pair.a || view.chosen === pair.b || view.opened === pair.key || onWay(pair.key);
        if (!near && !view.all && !keep.has(pair.key)) return;
        wanted.add("e" + pair.key);
        var edge = cy.getElementById("e" + pair.key);
        var facts = { id: "e" + pair.key, pair: pair.key, source: "n" + pair.a, target: "n" + pair.b, width: width(pair.ties),
          colour: colour(pair.ties[0]) };
        if (edge.length) edge.data({ width: facts.width, colour: facts.colour });
        else cy.add({ group: "edges", data: facts });
      });
      cy.edges().filter(function (edge) { return !wanted.has(edge.id()); }).remove();
    });
    canvas.highlight();
  };
  function cut(name) {
    var chars = Array.from(name);
    while (textWidth(chars.join("")) > 14) chars = chars.slice(0, -1);
    return chars.length < Array.from(name).length ? chars.join("").trim() + "…" : name;
  }

  function onWay(key) { return view.way && view.way.ties && view.way.ties.some(function (t) { return model.pairKey(t.a, t.b) === key; }); }
  function way() {
    var nodes = cy.nodes().filter(function (n) { return view.way.ids.indexOf(n.data("entity")) >= 0; });
    return nodes.union(cy.edges().filter(function (e) { return onWay(e.data("pair")); }));
  }
  function lit() {
    if (view.way && view.way.ties) return way();
    if (view.opened && cy.getElementById("e" + view.opened).nonempty()) return cy.getElementById("e" + view.opened).connectedNodes().union(cy.getElementById("e" + view.opened));
    if (view.circle >= 0) {
      var members = cy.nodes().filter(function (n) { return people[model.personOf(n.data("entity"))].circle === view.circle; });
      return members.union(members.edgesWith(members));
    }
    if (view.other >= 0 && ["Location", "Thing"].indexOf(data.others[view.other].kind) >= 0) {  // who is in its chapters
      var at = new Set(data.others[view.other].at);
      var here = cy.nodes().filter(function (n) { return model.entity(n.data("entity")).chapters.some(function (c) { return at.has(c); }); });
      return here.union(here.edgesWith(here));
    }
    var one = view.chosen || hovered;
    if (!one || cy.getElementById("n" + one).empty()) return null;
    var node = cy.getElementById("n" + one), edges = node.connectedEdges();
    return edges.connectedNodes().union(edges).union(node);
  }
  canvas.highlight = function () {
    cy.batch(function () {
      cy.elements().removeClass("dim near chosen way");
      var bright = lit();
      if (!bright) return;
      cy.elements().not(bright).addClass("dim");
      bright.addClass("near");
      if (view.way && view.way.ties) bright.addClass("way");
      if (view.chosen) cy.getElementById("n" + view.chosen).addClass("chosen");
    });
    writeSoon();
  };

  // Names are readable however far out: each at 11 pixels or more at a side of its circle where none is written yet,
  // the lit and the important first, rather within `seen` (as cy.extent()). Those of the first sixteen are always written.
  var SIDES = [["center", "bottom", 0, 3], ["center", "top", 0, -3], ["right", "center", 3, 0], ["left", "center", -3, 0]], ALWAYS = 16;
  function names(zoom, seen) {
    var grown = Math.max(1, Math.min(2.5, 0.4 / zoom)), taken = [];  // circles are seen however far out, too
    function covered(box) {
      return taken.reduce(function (sum, other) {
        var wide = Math.min(box[2], other[2]) - Math.max(box[0], other[0]), high = Math.min(box[3], other[3]) - Math.max(box[1], other[1]);
        return wide > 0 && high > 0 ? sum + wide * high : sum;
      }, 0);
    }
    function around(x, y, half, high) { return [x - half, y - high, x + half, y + high]; }
    function rank(node) { return node.data("z") + (node.hasClass("near") ? 10000 : 0); }
    var all = cy.nodes().sort(function (a, b) { return rank(b) - rank(a); }).map(function (node) {
      return { node: node, at: node.position(), r: grown * node.data("r") / 2, near: node.hasClass("near") };
    });
    all.forEach(function (one) { taken.push(one.circle = around(one.at.x, one.at.y, one.r, one.r)); });
    all.forEach(function (one, place) {
      var size = Math.max(one.node.data("font"), 11 / zoom), half = size * textWidth(one.node.data("label")) / 2, high = size * 0.6, best = null;
      if (taken.length < 1200) SIDES.forEach(function (side) {
        var box = around(one.at.x + Math.sign(side[2]) * (one.r + half + 3), one.at.y + Math.sign(side[3]) * (one.r + high + 3), half, high);
        var cost = covered(box), off = Math.max(0, seen.x1 - box[0], box[2] - seen.x2) + Math.max(0, seen.y1 - box[1], box[3] - seen.y2);
        if (!best || cost + off * size < best.cost + best.off * size) best = { cost: cost, off: off, box: box, side: side };
      });
      one.size = size;
      one.side = best ? best.side : SIDES[0];
      one.box = best && (best.cost === 0 || one.near || place < (holder.clientWidth < 500 ? ALWAYS / 4 : ALWAYS)) ? best.box : null;
      if (one.box) taken.push(one.box);
    });
    return all;
  }
  function writeNames() {
    cy.batch(function () {
      names(cy.zoom(), cy.extent()).forEach(function (name) {
        name.node.style({ "width": 2 * name.r, "height": 2 * name.r, "font-size": name.size, "text-opacity": name.box ? 1 : 0,
          "text-halign": name.side[0], "text-valign": name.side[1], "text-margin-x": name.side[2], "text-margin-y": name.side[3] });
      });
    });
  }
  function textWidth(label) { return Array.from(label).reduce(function (sum, c) { return sum + (c > "\u2e7f" ? 1 : 0.56); }, 0); }
  // Once what moves has come to rest: while a zoom goes on its names are drawn larger or smaller.
  var waiting = 0;
  function writeSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(writeNames, 200);
  }

  cy.on("tap", "node", function (event) { hooks.choose(event.target.data("entity"), event.originalEvent && event.originalEvent.shiftKey); });
  cy.on("dbltap", "node", function (event) { hooks.expand(event.target.data("entity")); });
  cy.on("tap", "edge", function (event) { hooks.open(event.target.data("pair")); });
  cy.on("tap", function (event) { if (event.target === cy) hooks.choose(""); });
  cy.on("mouseover mouseout", "node", function (event) {
    hovered = event.type === "mouseover" ? event.target.data("entity") : "";
    canvas.highlight();
  });
  cy.on("zoom", writeSoon);

  canvas.showWay = function () {
    var box = way().boundingBox(), zoom = Math.min(1.2, (cy.width() - 160) / box.w, (cy.height() - 160) / box.h);
    moved = true;
    cy.animate({ zoom: zoom, pan: { x: cy.width() / 2 - zoom * (box.x1 + box.x2) / 2, y: cy.height() / 2 - zoom * (box.y1 + box.y2) / 2 },
      duration: view.still ? 0 : 250 });
  };
  canvas.centre = function (id) {
    moved = true;
    var node = cy.getElementById("n" + id);
    if (node.length) cy.animate({ center: { eles: node }, zoom: Math.max(cy.zoom(), 0.8), duration: view.still ? 0 : 250 });
  };
  // The view in which all circles with the names that are written there are seen.
  function whole() {
    var wide = cy.width() - 32, high = cy.height() - 32, circles = cy.nodes().map(function (node) { return node.position(); }), zoom = 2, box;
    function joined(boxes) {
      return [0, 1, 2, 3].map(function (side) { return Math[side < 2 ? "min" : "max"].apply(null, boxes.map(function (own) { return own[side]; })); });
    }
    var all = joined(circles.map(function (at) { return [at.x, at.y, at.x, at.y]; })), x = (all[0] + all[2]) / 2, y = (all[1] + all[3]) / 2;
    for (; ; zoom *= 0.95) {  // names take more of a smaller picture
      var seen = { x1: x - wide / zoom / 2, x2: x + wide / zoom / 2, y1: y - high / zoom / 2, y2: y + high / zoom / 2 };
      box = joined(names(zoom, seen).flatMap(function (name) { return [name.circle, name.box || name.circle]; }));
      var fits = Math.min(wide / (box[2] - box[0]), high / (box[3] - box[1]));
      if (zoom <= fits || zoom < cy.minZoom()) break;
      if (zoom > 1.5 * fits) zoom = 1.5 * fits;  // far from it
    }
    return { zoom: zoom, pan: { x: cy.width() / 2 - zoom * (box[0] + box[2]) / 2, y: cy.height() / 2 - zoom * (box[1] + box[3]) / 2 } };
  }
  canvas.fit = function (animated) {
    if (cy.nodes().empty()) return;
    if (animated && !view.still) cy.animate(Object.assign(whole(), { duration: 250 }));
    else cy.viewport(whole());
  };
  // How many there is room for at first, each with a name.
  canvas.room = function () { return Math.max(ALWAYS, Math.round(holder.clientWidth * holder.clientHeight / (2.6 * WIDE * HIGH))); };
  // In a notebook's tab that isn't shown there is no room to fit into: it is done when the graph gets some, and again
  // when the room changes, until the reader moves the graph.
  var moved = false;
  cy.on("dragfree", "node", function (event) { Object.assign(spots[event.target.data("entity")], event.target.position()); });
  cy.on("dragpan scrollzoom pinchzoom", function () { moved = true; });
  function fitAll() {
    if (moved || !holder.clientWidth) return;
    canvas.fit(false);
    writeNames();
  }
  canvas.follow = fitAll;  // after a step to another chapter
  canvas.start = function () {
    var room = canvas.room();
    new ResizeObserver(function () {
      cy.resize();
      if (room !== (room = canvas.room())) hooks.roomChanged();
      fitAll();
    }).observe(holder);
    fitAll();
    document.body.dataset.ready = cy.nodes().length + "/" + cy.edges().length;
  };
  canvas.png = function () {
    return cy.png({ output: "blob", full: true, scale: 2, maxWidth: 6000, maxHeight: 6000, bg: ink("--paper") });
  };
  // What is shown, as a drawing of lines, circles and texts.
  canvas.svg = function () {
    var ns = "http://www.w3.org/2000/svg", box = cy.elements().boundingBox(), root = document.createElementNS(ns, "svg");
    function add(tag, facts, text) {
      var made = root.appendChild(document.createElementNS(ns, tag));
      Object.keys(facts).forEach(function (key) { made.setAttribute(key, facts[key]); });
      if (text !== undefined) made.textContent = text;
    }
    root.setAttribute("viewBox", [box.x1 - 20, box.y1 - 20, box.w + 40, box.h + 40].map(Math.round).join(" "));
    add("rect", { x: box.x1 - 20, y: box.y1 - 20, width: box.w + 40, height: box.h + 40, fill: ink("--paper") });
    cy.edges().forEach(function (edge) {
      var a = edge.source().position(), b = edge.target().position();
      add("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, stroke: edge.data("colour"), "stroke-width": edge.data("width"), "stroke-opacity": 0.6 });
    });
    cy.nodes().forEach(function (node) {
      var at = node.position(), r = node.data("r") / 2;
      add("circle", { cx: at.x, cy: at.y, r: r, fill: node.data("fill"), stroke: node.data("border"), "stroke-width": 1.5 });
      add("text", { x: at.x, y: at.y + r + node.data("font"), "font-size": node.data("font"), "text-anchor": "middle", fill: ink("--ink"),
        "font-family": getComputedStyle(document.body).fontFamily, stroke: ink("--paper"), "stroke-width": 2.5, "paint-order": "stroke" },
        node.data("label"));
    });
    return new Blob([new XMLSerializer().serializeToString(root)], { type: "image/svg+xml" });
  };
  return canvas;
}
