// The panel beside the drawing: who is chosen, what joins two people, the way between them, or whom to begin with.
// Everything that comes from a book is put on the page with textContent, never as markup.
function el(tag, text, className) {
  "use strict";
  var made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function Card(model, canvas, view, hooks, say, corrections) {
  "use strict";
  var data = model.data, people = data.people, panel = document.getElementById("panel"), MANY = 60;

  function number(c) { return data.chapters.length ? data.chapters[c][0] : 0; }
  function chapter(c) { return say("chapter", { n: number(c) }); }
  function button(text, action, className) {
    var made = el("button", text, className || "link");
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  }
  function person(id) {
    var entity = model.entity(id);
    return entity ? button(entity.name, function () { hooks.choose(id); hooks.centre(id); }, "link who") : el("span", "?");
  }
  function goTo(c) { return button(chapter(c), function () { hooks.read(c); }, "link at"); }
  function chips(title, values, action) {
    if (!values.length) return;
    panel.appendChild(el("h3", title));
    var row = panel.appendChild(el("div", undefined, "chips"));
    values.forEach(function (v) { row.appendChild(action ? button(v.text, function () { action(v); }, "chip") : el("span", v.text || v, "chip")); });
  }

  function lineColour(tie) { return "var(--" + canvas.groupOf[tie.kind].id + ")"; }
  // A bar for each chapter in which two have to do with each other, as high as their strength there.
  function curve(tie) {
    var box = el("div", undefined, "curve"), width = 100 / (model.last + 1);
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", say("curve", { n: tie.seen.length, first: number(tie.seen[0][0]) }));
    tie.seen.forEach(function (o) {
      var bar = box.appendChild(el("i"));
      bar.style.left = width * o[0] + "%";
      bar.style.width = Math.max(0.6, width) + "%";
      bar.style.height = 10 * o[1] + "%";
      bar.style.background = lineColour(tie);
    });
    return box;
  }
  // Type → what the source is to the target, and the target to the source.
  var ENDS = { PARENT_OF: ["parent", "child"], MASTER_OF: ["master", "pupil"], LEADS: ["leader", "follower"], SERVES: ["servant", "served"] };
  // What the other end is to `from`, or the source to the target.
  function kindOf(tie, from) {
    var name = data.kinds[tie.kind] || tie.kind, side = from && data.symmetric.indexOf(tie.kind) < 0;
    if (side) name = ENDS[tie.kind] ? say(ENDS[tie.kind][tie.a === from ? 1 : 0]) : name + (tie.a === from ? " →" : " ←");
    var made = el("span", name, "kind");
    made.append(" ", el("small", since(tie)));
    made.style.borderColor = lineColour(tie);
    return made;
  }
  // How strong, and in how many chapters: of all that joins two.
  function evidence(ties) {
    var seen = new Set(ties.flatMap(function (tie) { return tie.seen.map(function (o) { return o[0]; }); }));
    var strongest = Math.max.apply(null, ties.map(function (tie) { return tie.strength; }));
    return el("span", say("strength", { n: strongest }) + " · " + say("together", { n: seen.size }), "times");
  }
  // Since when a tie is told of; whether a reader of the book has added it, and since when by the reader's word.
  function since(tie) {
    var known = tie.added ? tie.since : tie.seen[0][0];
    return [tie.added ? say("by_reader") : "", known === undefined ? "" : say("since", { chapter: chapter(known) })].filter(Boolean).join(" · ");
  }
  function named(tie) { return tie.label && tie.label !== data.kinds[tie.kind] ? " · " + tie.label : ""; }
  function line(tie) {
    var row = el("div", undefined, "tie"), directed = data.symmetric.indexOf(tie.kind) < 0;
    row.append(kindOf(tie, ""), person(tie.a), document.createTextNode(directed ? " → " : " — "), person(tie.b), document.createTextNode(named(tie)), evidence([tie]));
    return row;
  }
  // All that joins `from` to another person, in one line, the most telling tie first.
  function partner(ties, from) {
    var row = el("div", undefined, "tie both");
    row.append(person(model.other(ties[0], from)), document.createTextNode(ties.map(named).join("")));
    ties.forEach(function (tie) { row.appendChild(kindOf(tie, from)); });
    row.appendChild(evidence(ties)).appendChild(button(say("quotes"), function () { hooks.open(model.pairKey(ties[0].a, ties[0].b), ties[0].index); }, "link more"));
    return row;
  }
  function quotes(tie) {
    var box = document.createDocumentFragment(), seen = tie.seen.filter(function (o) { return o[2] >= 0; });
    seen.slice(0, MANY).forEach(function (o) {
      var quote = box.appendChild(el("blockquote", data.quotes[o[2]]));
      quote.appendChild(el("footer")).appendChild(goTo(o[0]));
    });
    if (!seen.length) box.appendChild(el("p", say("no_quotes"), "hint"));
    if (seen.length > MANY) box.appendChild(el("p", say("more_quotes", { n: seen.length - MANY }), "hint"));
    return box;
  }
  function shownTies(ties) { return ties.filter(function (t) { return !view.hidden.has(canvas.groupOf[t.kind].id) && t.strength >= view.least; }); }

  function pair(key) {
    var ties = model.pairs().get(key);
    if (!ties) return;
    panel.appendChild(el("h2")).append(person(ties[0].a), document.createTextNode(" · "), person(ties[0].b));
    ties = ties.filter(function (t) { return t.index === view.tie; }).concat(ties.filter(function (t) { return t.index !== view.tie; }));
    ties.forEach(function (tie) {
      var box = panel.appendChild(el("section", undefined, "relation"));
      box.appendChild(line(tie));
      if (tie.text) box.appendChild(el("p", tie.text));
      if (!tie.added) box.append(curve(tie), quotes(tie));
      box.appendChild(corrections.ofTie(model.entity(tie.a).name, model.entity(tie.b).name, tie.kind));
    });
  }

  function whole(id) {
    var entity = model.entity(id), own = people[entity.person], early = id.indexOf(":") >= 0;
    panel.appendChild(el("h2", entity.name));
    var first = entity.chapters[0], last = entity.chapters[entity.chapters.length - 1], meta = panel.appendChild(el("p", undefined, "meta"));
    if (!early && model.known(own.title)) meta.appendChild(document.createTextNode(model.known(own.title) + " · "));
    meta.appendChild(document.createTextNode(say("in_chapters", { n: entity.chapters.length }) + " · " + say("first_last") + " "));
    meta.append(goTo(first), document.createTextNode(" – "), goTo(last));
    var row = panel.appendChild(el("div", undefined, "actions")), open = view.expanded.has(id);
    var drawn = new Set(view.shown()), more = entity.ties.some(function (t) { return !drawn.has(model.other(t, id)); });
    if (open || more) row.appendChild(button(say(open ? "collapse" : "expand"), function () { hooks.expand(id); }, "action"));
    row.appendChild(button(say("path_from"), function () { hooks.path(id); }, "action"));
    if (!early && model.known(own.description)) panel.appendChild(el("p", model.known(own.description)));
    chips(say("aliases"), entity.aliases);
    if (!early) chips(say("traits"), model.knownAll(own.traits));
    strip([id]);
    chips(say("places_near"), model.placesOf(entity.chapters, 8).map(function (f) {
      return { text: data.others[f.other].name + " · " + f.n, other: f.other };
    }), function (v) { hooks.other(v.other); });
    var links = model.linksOf(id);
    ["Organization", "Location", "Thing"].forEach(function (kind) {
      chips(say(kind.toLowerCase()), links.filter(function (l) { return data.others[l.other].kind === kind; }).map(function (l) {
        var name = data.others[l.other].name;
        return { text: l.role ? name + " · " + l.role : name, other: l.other };
      }), function (v) { hooks.other(v.other); });
    });
    var lines = model.partners(shownTies(entity.ties), id);
    if (lines.length) panel.appendChild(el("h3", say("relations", { n: lines.length })));
    lines.slice(0, view.long ? lines.length : MANY).forEach(function (ties) { panel.appendChild(partner(ties, id)); });
    if (lines.length > MANY && !view.long) panel.appendChild(button(say("show_all", { n: lines.length }), function () { view.long = true; card.show(); }));
    var events = links.filter(function (l) { return data.others[l.other].kind === "Event"; });
    if (events.length) panel.appendChild(el("h3", say("event")));
    events.forEach(function (l) { panel.appendChild(happening(l.other, l.role)); });
    if (own.note) panel.appendChild(el("p", say("note", { text: own.note })));
    panel.appendChild(corrections.ofPerson(entity.name));
  }
  function happening(index, role) {
    var o = data.others[index], row = el("div", undefined, "tie");
    row.append(goTo(o.at[0]), document.createTextNode(" "), button(role ? o.name + " · " + role : o.name, function () { hooks.other(index); }));
    return row;
  }

  // A place, an organization, a thing or an event.
  function other(index) {
    var o = data.others[index], at = o.at.filter(function (c) { return c <= model.now; });
    panel.appendChild(el("h2", o.name));
    panel.appendChild(el("p", [say(o.kind.toLowerCase()), o.type].filter(Boolean).join(" · "), "meta"));
    panel.append(marks(at), spans(at));
    if (model.known(o.description)) panel.appendChild(el("p", model.known(o.description)));
    if (o.place !== undefined && data.others[o.place].at[0] <= model.now) chips(say("location"), [{ text: data.others[o.place].name }], function () { hooks.other(o.place); });
    (o.quotes || []).filter(function (q) { return q[0] <= model.now; }).forEach(function (q) {
      panel.appendChild(el("blockquote", data.quotes[q[1]])).appendChild(el("footer")).appendChild(goTo(q[0]));
    });
    var links = model.linkedTo(index);
    if (o.kind === "Location" || o.kind === "Thing") {
      panel.appendChild(el("h3", say("same_chapter")));
      var latest = at[at.length - 1];
      if (latest !== undefined && latest < model.now) panel.appendChild(el("p", say("last_told", { chapter: chapter(latest) }), "hint"));
      at.slice().reverse().forEach(function (c, i) { present(c, i === 0); });
    } else panel.appendChild(el("h3", say("people")));
    links.forEach(function (l) {
      var row = panel.appendChild(el("div", undefined, "tie"));
      row.appendChild(person(String(l.person)));
      if (l.role) row.appendChild(el("span", l.role, "times"));
    });
  }
  // Who is in a chapter, the more important first.
  function present(c, open) {
    var ids = model.inChapter(c), box = panel.appendChild(el("details", undefined, "present")), row;
    box.open = open;
    box.appendChild(el("summary", say("present", { chapter: chapter(c), n: ids.length })));
    row = box.appendChild(el("div", undefined, "chips"));
    ids.forEach(function (id) { row.appendChild(button(model.entity(id).name, function () { hooks.choose(id); hooks.centre(id); }, "chip")); });
    row = box.appendChild(el("p"));
    row.appendChild(goTo(c));
  }

  function way() {
    panel.appendChild(el("h2", [view.way.ids[0], view.way.ties ? view.way.ids[view.way.ids.length - 1] : ""].filter(Boolean)
      .map(function (id) { return model.entity(id).name; }).join(" → ")));
    if (!view.way.ties) { panel.appendChild(el("p", say("path_pick"), "hint")); return; }
    if (!view.way.ties.length) { panel.appendChild(el("p", say("path_none"), "hint")); return; }
    view.way.ties.forEach(function (tie, i) {
      var box = panel.appendChild(el("section", undefined, "relation"));
      box.appendChild(partner([tie], view.way.ids[i]));
      var quoted = tie.seen.find(function (o) { return o[2] >= 0; });
      if (quoted) box.appendChild(el("blockquote", data.quotes[quoted[2]])).appendChild(el("footer")).appendChild(goTo(quoted[0]));
    });
  }

  function returning(from) {
    panel.appendChild(button("← " + (from.chapter === model.last ? say("whole_book") : chapter(from.chapter)), hooks.back, "action"));
    if (from.opened && !view.opened) panel.appendChild(el("p", say("tie_later"), "hint"));
  }
  function missed() {
    panel.appendChild(el("h2", view.missed));
    panel.appendChild(el("p", noMatch(), "hint"));
  }
  function welcome() {
    panel.appendChild(el("p", say(people.length ? "hint" : "nothing"), "hint"));
    var ids = view.shown().slice(0, 24);
    strip(ids.slice(0, 16));
    if (model.last && model.now < model.last) {
      panel.appendChild(el("h3", say("this_chapter")));
      present(model.now, true);
      chips(say("location"), model.placesOf([model.now], MANY).map(function (f) { return { text: data.others[f.other].name, other: f.other }; }),
        function (v) { hooks.other(v.other); });
    }
    panel.appendChild(el("h3", say("people")));
    ids.forEach(function (id) {
      var entity = model.entity(id), row = panel.appendChild(el("div", undefined, "tie"));
      row.appendChild(person(id));
      row.appendChild(el("span", say("in_chapters", { n: entity.chapters.length }), "times"));
      if (entity.aliases.length) row.appendChild(el("span", entity.aliases.slice(0, 4).join(say("comma")), "times"));
    });
  }

  // Who is there when: a row for each, a mark for each chapter; a click goes to the chapter.
  function strip(ids) {
    if (!ids.length || model.last < 1) return;
    panel.appendChild(el("h3", say("timeline")));
    var box = panel.appendChild(el("div", undefined, "strip"));
    ids.forEach(function (id) {
      var entity = model.entity(id), row = box.appendChild(el("div"));
      if (ids.length > 1) row.appendChild(person(id));
      row.appendChild(marks(entity.chapters));
      if (ids.length === 1) panel.appendChild(spans(entity.chapters));
    });
  }
  // Chapter numbers in words, those that follow each other as a range.
  function spans(chapters) {
    var ranges = [];
    chapters.forEach(function (c) {
      var last = ranges[ranges.length - 1];
      if (last && last[1] === c - 1) last[1] = c;
      else ranges.push([c, c]);
    });
    return el("p", ranges.map(function (r) { return number(r[0]) + (r[0] < r[1] ? "–" + number(r[1]) : ""); }).join(say("comma")), "times");
  }
  function marks(chapters) {
    var box = el("span", undefined, "marks"), width = 100 / (model.last + 1);
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", say("in_chapters", { n: chapters.length }) + " " + chapters.slice(0, 200).map(number).join(" "));
    chapters.forEach(function (c) {
      var mark = box.appendChild(el("i"));
      mark.style.left = width * c + "%";
      mark.style.width = Math.max(0.5, width * 0.9) + "%";
      mark.title = chapter(c);
      mark.addEventListener("click", function () { hooks.read(c); });
    });
    return box;
  }

  function noMatch() { return say(model.now === model.last ? "no_match" : "no_match_yet"); }
  var card = {
    noMatch: noMatch,
    show: function () {
      if (panel.contains(document.activeElement)) panel.focus();  // the button that was pressed goes
      panel.replaceChildren();
      panel.scrollTop = 0;
      if (view.back) returning(view.back);
      if (view.way) way();
      else if (view.opened) pair(view.opened);
      else if (view.other >= 0) other(view.other);
      else if (view.chosen && model.entity(view.chosen)) whole(view.chosen);
      else if (view.missed) missed();
      else welcome();
      if (corrections.list.length) panel.appendChild(corrections.overview());
    }
  };
  return card;
}
