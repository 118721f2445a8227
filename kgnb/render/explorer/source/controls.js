// The page's controls: what is shown, up to which chapter, and what is chosen. One state, `view`; every control changes
// it and calls refresh().
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent), words = data.words;
  function say(word, values) {
    return words[word].replace(/\{(\w+)\}/g, function (whole, key) { return values && key in values ? values[key] : whole; });
  }
  function byId(id) { return document.getElementById(id); }
  document.querySelector(".off").remove();  // says what a page shows where this script doesn't run

  var model = Model(data);
  var view = {
    limit: 0, guests: new Set(), expanded: new Map(), chosen: "", opened: "", tie: -1, other: -1, circle: -1, way: null, back: null, missed: "", all: false, least: 1,
    long: false, hidden: new Set(), still: window.matchMedia && window.matchMedia("(prefers-reduced-motion: reduce)").matches,
    many: function () { return view.limit || Math.min(data.shown, canvas.room()); },  // until the reader says how many
    // Who is shown, the most important first: those of the cast that the reader knows, and those brought in.
    shown: function () {
      var limit = view.many();
      var all = Array.from(model.state().entities.values()).sort(function (a, b) { return b.weight - a.weight || a.person - b.person; });
      return all.filter(function (entity, i) { return i < limit || view.guests.has(entity.id); }).map(function (entity) { return entity.id; });
    }
  };
  var hooks = { choose: choose, centre: function (id) { canvas.centre(id); }, open: open, expand: expand, path: path, other: other, read: jump, back: back,
    roomChanged: function () { if (!view.limit) refresh(); } };
  var corrections = Corrections(data, say, function () { card.show(); tell(); });
  var canvas = Canvas(model, view, hooks), card = Card(model, canvas, view, hooks, say, corrections);

  function refresh() {
    canvas.refresh();
    card.show();
    tell();
    remember();
  }
  function clear() {
    view.chosen = view.opened = "";
    view.other = view.circle = -1;
    view.way = view.back = null;
    view.missed = "";
    view.long = false;
  }
  function choose(id) {
    if (id && view.way && !view.way.ties) {
      var from = view.way.ids[0], found = model.path(from, id);
      clear();
      view.way = found || { ids: [from, id], ties: [] };
      view.way.ids.forEach(function (one) { view.guests.add(one); });
      refresh();
      canvas.showWay();
      return;
    }
    clear();
    view.chosen = id || "";
    if (id) invite(id);
    refresh();
  }
  // Bring somebody in, with the nearest few.
  function invite(id) {
    if (view.shown().indexOf(id) >= 0) return;
    view.guests.add(id);
    model.entity(id).ties.slice(0, 6).forEach(function (tie) { view.guests.add(model.other(tie, id)); });
  }
  function expand(id) {
    var before = new Set(view.shown());
    if (view.expanded.has(id)) {
      view.expanded.get(id).forEach(function (one) { view.guests.delete(one); });
      view.expanded.delete(id);
    } else {
      var brought = model.entity(id).ties.map(function (tie) { return model.other(tie, id); }).filter(function (one) { return !before.has(one); });
      brought = Array.from(new Set(brought)).slice(0, 40);
      brought.forEach(function (one) { view.guests.add(one); });
      view.expanded.set(id, brought);
    }
    clear();
    view.chosen = id;
    refresh();
  }
  function open(key, tie) { clear(); view.opened = key; view.tie = tie; key.split("|").forEach(function (id) { view.guests.add(id); }); refresh(); }
  function other(index) { clear(); view.other = index; refresh(); }
  function path(id) { clear(); view.way = { ids: [id] }; refresh(); }

  // --- the chapter up to which a reader has read

  var slider = byId("chapter"), playing = 0;
  function read(chapter) {
    model.at(chapter);
    slider.value = model.now;
    if (view.chosen && !model.entity(view.chosen)) clear();
    if (view.opened && !model.pairs().has(view.opened)) clear();
    if (view.other >= 0 && data.others[view.other].at[0] > model.now) clear();
    if (view.way || view.missed) clear();
    view.back = null;
    suggest();
    refresh();
    canvas.follow();
  }
  // From a card to a chapter, with a way back: what was open may be unknown there.
  function jump(chapter) {
    var from = view.back || { chapter: model.now, chosen: view.chosen, opened: view.opened, tie: view.tie, other: view.other };
    stop();
    read(chapter);
    view.back = from;
    card.show();
  }
  function back() {
    var from = view.back;
    read(from.chapter);
    clear();
    Object.assign(view, { chosen: from.chosen, opened: from.opened, tie: from.tie, other: from.other });
    refresh();
  }
  function tell() {
    var state = model.state(), own = data.chapters[model.now] || [0, ""], whole = model.now === model.last;
    byId("now").textContent = whole ? say("whole_book") : say("as_of", { n: own[0] }) + (own[1] ? " · " + own[1] : "");
    slider.setAttribute("aria-valuetext", byId("now").textContent);
    byId("counts").textContent = say("counts", { people: state.entities.size, ties: state.ties.length, shown: view.shown().length });
    byId("many").value = view.many();
    byId("least_value").textContent = view.least;
    byId("many_value").textContent = say("many", { n: Math.min(view.many(), state.entities.size), all: state.entities.size });
    byId("whole").disabled = whole;
    byId("fixes").hidden = !corrections.list.length;
    byId("fixes").textContent = say("fixes_save", { n: corrections.list.length });
    drawCircles();
  }
  function step() {
    if (model.now >= model.last) { stop(); return; }
    read(model.now + 1);
  }
  function stop() {
    clearInterval(playing);
    playing = 0;
    byId("play").textContent = say("play");
    byId("play").setAttribute("aria-pressed", "false");
  }
  byId("play").addEventListener("click", function () {
    if (playing) { stop(); return; }
    if (model.now === model.last) read(0);
    playing = setInterval(step, Math.max(150, Math.min(900, 24000 / (model.last + 1))));
    byId("play").textContent = say("pause");
    byId("play").setAttribute("aria-pressed", "true");
  });
  slider.max = model.last;
  slider.value = model.last;
  slider.addEventListener("input", function () { stop(); read(Number(slider.value)); });
  byId("whole").addEventListener("click", function () { stop(); read(model.last); });
  if (model.last < 1) byId("time").hidden = true;

  // --- search

  var search = byId("search"), found = byId("found"), marked = 0;
  // Two names, in any order: what joins them. A number: the book as of that chapter.
  function asked() {
    var text = search.value.trim(), words = text.split(/\s*(?:[,，、&]|[和与跟]|\band\b)\s*|\s+/), made = [], number = /^\D{0,9}(\d+)\D?$/.exec(text);
    var c = data.chapters.findIndex(function (chapter) { return number ? chapter[0] === Number(number[1]) : text.length > 2 && chapter[1].startsWith(text); });
    if (c >= 0) made.push({ text: say("as_of", { n: data.chapters[c][0] }), note: "", pick: function () { stop(); clear(); read(c); } });
    for (var i = 1; i < words.length && !made.length; i++) {
      var ends = [words.slice(0, i), words.slice(i)].map(function (some) { return model.search(some.join(" "), 1)[0]; });
      if (ends.every(function (hit) { return hit && hit.rank < 3; }) && ends[0].id !== ends[1].id) made.push(between(ends[0].entity, ends[1].entity));
    }
    return made;
  }
  function between(one, two) {
    var key = model.pairKey(one.id, two.id);
    return { text: one.name + " · " + two.name, note: "", pick: function () {
      if (model.pairs().has(key)) open(key, -1);
      else { path(one.id); choose(two.id); }
    } };
  }
  function hits() {
    var people = model.search(search.value);
    return (people.length && people[0].rank < 3 ? [] : asked()).concat(people.map(function (h) { return { text: h.entity.name, note: h.form === h.entity.name ? "" : h.form, pick: function () { choose(h.id); if (!view.way) canvas.centre(h.id); } }; }))
      .concat(search.value.trim() ? model.others(search.value).slice(0, 6).map(function (i) {
        return { text: data.others[i].name, note: say(data.others[i].kind.toLowerCase()), pick: function () { other(i); } };
      }) : []);
  }
  function suggest() {
    var all = hits();
    marked = Math.max(0, Math.min(marked, all.length - 1));
    found.replaceChildren();
    search.setAttribute("aria-expanded", String(all.length > 0));
    search.setAttribute("aria-activedescendant", all.length ? "hit" + marked : "");
    if (search.value.trim() && !all.length) found.appendChild(el("li", card.noMatch(), "hint"));
    all.forEach(function (hit, i) {
      var item = el("li", hit.text, i === marked ? "on" : "");
      item.id = "hit" + i;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(i === marked));
      if (hit.note) item.appendChild(el("small", hit.note));
      item.addEventListener("mousedown", function (event) { event.preventDefault(); pick(hit); });
      found.appendChild(item);
    });
  }
  function pick(hit) { search.value = ""; found.replaceChildren(); search.blur(); hit.pick(); }
  search.addEventListener("input", function () { marked = 0; suggest(); });
  search.addEventListener("blur", function () { found.replaceChildren(); });
  search.addEventListener("keydown", function (event) {
    var all = hits();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      marked += event.key === "ArrowDown" ? 1 : -1;
      suggest();
      event.preventDefault();
    } else if (event.key === "Enter" && all.length) pick(all[marked]);
    else if (event.key === "Enter" && search.value.trim()) {  // what was found before is no answer to this
      clear();
      view.missed = search.value.trim();
      found.replaceChildren();
      refresh();
    }
    else if (event.key === "Escape") { search.value = ""; found.replaceChildren(); search.blur(); }
  });
  document.addEventListener("keydown", function (event) {
    if (["INPUT", "SELECT"].indexOf(event.target.tagName) >= 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { search.focus(); event.preventDefault(); }
    else if (event.key === "Escape") choose("");
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") { stop(); read(model.now + (event.key === "ArrowRight" ? 1 : -1)); }
  });

  // --- filters and legend

  var legend = byId("legend"), circles = byId("circles");
  data.groups.forEach(function (group) {
    if (!group.kinds.length) return;
    var made = legend.appendChild(el("button")), line = made.appendChild(el("i"));
    line.style.background = "var(--" + group.id + ")";
    made.type = "button";
    made.title = group.kinds.map(function (k) { return data.kinds[k]; }).join(say("comma"));
    made.appendChild(document.createTextNode(group.name));
    made.setAttribute("aria-pressed", "true");
    made.addEventListener("click", function () {
      if (!view.hidden.delete(group.id)) view.hidden.add(group.id);
      made.setAttribute("aria-pressed", String(!view.hidden.has(group.id)));
      refresh();
    });
  });
  // Groups of people who belong together, each called after its most important member whom the reader knows.
  function drawCircles() {
    circles.replaceChildren();
    var members = data.circles.map(function () { return []; }), plain = members.length - 1;  // of no group
    view.shown().forEach(function (id) {
      var own = data.people[model.personOf(id)].circle;
      members[own].push(id);
    });
    members.forEach(function (ids, i) {
      if (!ids.length || i === plain) return;
      var made = circles.appendChild(el("button")), dot = made.appendChild(el("b"));
      dot.style.background = data.circles[i][0];
      made.type = "button";
      made.setAttribute("aria-pressed", String(view.circle === i));
      made.appendChild(document.createTextNode(say("circle", { name: model.entity(ids[0]).name, n: ids.length })));
      made.addEventListener("click", function () { var same = view.circle === i; clear(); view.circle = same ? -1 : i; refresh(); });
    });
    if (members[plain].length) {
      var rest = circles.appendChild(el("span")), dot = rest.appendChild(el("b"));
      dot.style.background = data.circles[plain][0];
      rest.appendChild(document.createTextNode(say("no_circle")));
    }
  }
  var tools = document.querySelector(".tools");
  document.addEventListener("pointerdown", function (event) { if (!tools.contains(event.target)) tools.open = false; });
  var many = byId("many"), least = byId("least");
  many.max = Math.max(1, Math.min(1000, data.people.length));
  many.addEventListener("input", function () { view.limit = Number(many.value); refresh(); });
  least.addEventListener("input", function () { view.least = Number(least.value); refresh(); });
  byId("all").addEventListener("change", function (event) { view.all = event.target.checked; refresh(); });
  byId("fit").addEventListener("click", function () { canvas.fit(true); });
  function download(blob, name) {
    var link = el("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }
  byId("png").addEventListener("click", function () { download(canvas.png(), document.title + ".png"); });
  byId("svg").addEventListener("click", function () { download(canvas.svg(), document.title + ".svg"); });

  byId("fixes").addEventListener("click", function () { download(corrections.file(), document.title + ".corrections.json"); });

  // --- a link to a person and a chapter: #who=刘备&chapter=20

  function remember() {
    var facts = new URLSearchParams(), entity = view.chosen && model.entity(view.chosen);
    if (entity) facts.set("who", entity.name);
    if (model.now < model.last) facts.set("chapter", data.chapters[model.now][0]);
    if (location.protocol !== "about:") history.replaceState(null, "", "#" + facts.toString());
  }
  function recall() {
    var facts = new URLSearchParams(location.hash.slice(1)), number = Number(facts.get("chapter")), who = facts.get("who") || data.opened;
    var chapter = data.chapters.findIndex(function (c) { return c[0] === number; });
    if (facts.get("chapter") && chapter >= 0) model.at(chapter);
    slider.value = model.now;
    var hit = who && model.search(who, 1)[0];
    if (hit) { view.chosen = hit.id; invite(hit.id); }
  }
  recall();
  refresh();
  canvas.start();
  if (view.chosen) canvas.centre(view.chosen);
})();
