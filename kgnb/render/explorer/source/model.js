// The book as a reader of chapter `now` knows it. Pure: no page, no canvas. All positions of chapters are indexes
// into data.chapters; a reader who is at `now` has read the chapters 0 to now.
//
// A person has forms (names), each with the chapter from which a reader knows that the form is this person. What a
// chapter tells under a form that is linked only later belongs to a person of its own until then: its id is
// "person:form", the form counted from 1; all other ids are the number of the person.
function Model(data) {
  "use strict";
  var last = Math.max(0, data.chapters.length - 1), people = data.people;
  var model = { data: data, last: last, now: last };
  var state = null;  // of `now`, made on demand
  var occurrences = people.map(function (p) { return p.at.map(function (c) { return [c, 0]; }); });
  people.forEach(function (p, i) {
    (p.early || []).forEach(function (e) { e[1].forEach(function (c) { occurrences[i].push([c, e[0]]); }); });
  });

  // In lower case and in simplified characters, however it is typed.
  function folded(text) { return text.trim().toLowerCase().replace(/[^\x00-\x7f]/gu, function (c) { return data.fold[c] || c; }); }
  var low = new Map();  // name → folded, for the search
  people.forEach(function (p) { p.forms.forEach(function (f) { low.set(f[0], folded(f[0])); }); });
  data.others.forEach(function (o) { low.set(o.name, folded(o.name)); });
  function idOf(person, form) { return form && people[person].forms[form - 1][1] > model.now ? person + ":" + form : String(person); }
  function personOf(id) { return Number(id.split(":")[0]); }
  function formOf(id) { return Number(id.split(":")[1] || 0); }

  // Every entity of a reader at `now`: id → { id, person, name, aliases, chapters }; and the ties between them.
  function compute() {
    var entities = new Map(), ties = new Map();
    people.forEach(function (p, i) {
      occurrences[i].forEach(function (o) {
        if (o[0] > model.now) return;
        var id = idOf(i, o[1]), entity = entities.get(id);
        if (!entity) entities.set(id, entity = { id: id, person: i, chapters: [], ties: [] });
        entity.chapters.push(o[0]);
      });
    });
    entities.forEach(function (entity) {
      entity.chapters = Array.from(new Set(entity.chapters)).sort(function (a, b) { return a - b; });
      var forms = people[entity.person].forms, early = formOf(entity.id);
      var known = early ? [forms[early - 1]] : forms.filter(function (f) { return f[1] <= model.now; });
      if (!known.length) known = [forms[0]];
      entity.name = known[0][0];
      entity.aliases = known.slice(1).map(function (f) { return f[0]; });
    });
    data.ties.forEach(function (tie, index) {
      if (tie.turns.filter(function (c) { return c <= model.now; }).length % 2 === 0) return;  // not yet, or refuted by now
      tie.seen.forEach(function (o) {
        if (o[0] > model.now) return;
        var a = idOf(tie.a, o[3] || 0), b = idOf(tie.b, o[4] || 0);
        if (a === b || !entities.has(a) || !entities.has(b)) return;
        var key = a + "|" + b + "|" + index, found = ties.get(key);
        if (!found) {
          ties.set(key, found = { a: a, b: b, kind: tie.kind, label: tie.label || "", text: tie.text || "", added: tie.added, since: tie.since, index: index, seen: [] });
          entities.get(a).ties.push(found);
          entities.get(b).ties.push(found);
        }
        var before = found.seen[found.seen.length - 1];  // by two names in one chapter: the stronger
        if (!before || before[0] !== o[0]) found.seen.push(o);
        else if (o[1] > before[1]) found.seen[found.seen.length - 1] = o;
      });
    });
    ties.forEach(function (tie) { tie.strength = strength(tie); });
    entities.forEach(function (entity) {
      entity.ties.sort(function (s, t) { return weight(t) - weight(s); });
    });
    weigh(entities);
    return { entities: entities, ties: Array.from(ties.values()) };
  }
  // How much somebody matters to this reader, 0 to 1: presence and closeness, as kgnb/graph/importance.py weighs them for
  // the whole book, where a protagonist's score counts too.
  function weigh(entities) {
    var most = 0, highest = 0, degrees = new Map();
    entities.forEach(function (entity) {
      var degree = entity.ties.reduce(function (sum, tie) { return sum + weight(tie); }, 0);
      degrees.set(entity.id, degree);
      most = Math.max(most, entity.chapters.length);
      highest = Math.max(highest, degree);
    });
    entities.forEach(function (entity) {
      var presence = most ? Math.log1p(entity.chapters.length) / Math.log1p(most) : 0;
      var closeness = highest ? Math.sqrt(degrees.get(entity.id) / highest) : 0;
      entity.weight = model.now === last ? people[entity.person].weight : (0.4 * presence + 0.35 * closeness) / 0.75;
    });
  }

  // The strength of a tie after the chapters read, as the projection has it (see "strength" in kgnb/extract): of replies
  // the mean of the chapters' values, halves rounded up; of rules the meetings behind each value, added up.
  function strength(tie) {
    var values = tie.seen.map(function (o) { return o[1]; });
    if (data.ties[tie.index].ai) return Math.floor((2 * sum(values) + values.length) / (2 * values.length));
    var meetings = sum(values.map(function (v) { return Math.exp((v - 1) / data.steps_per_e_fold); }));
    return Math.max(1, Math.min(10, Math.round(1 + data.steps_per_e_fold * Math.log(Math.max(1, meetings)))));
  }
  function sum(values) { return values.reduce(function (s, v) { return s + v; }, 0); }
  // What two are to each other says more than that they meet often (see kgnb/graph/importance.py).
  function weight(tie) {
    var known = stated(tie) ? 1 : data.acquaintance_weight;
    return tie.strength * Math.sqrt(tie.seen.length) * known;
  }
  // Of the ties that join two: what the text says of them before that they know each other, then by weight.
  var acquaintances = new Set(data.groups.find(function (g) { return g.id === "other"; }).kinds);
  function stated(tie) { return acquaintances.has(tie.kind) ? 0 : 1; }
  function moreTelling(s, t) { return stated(t) - stated(s) || weight(t) - weight(s); }

  model.weight = weight;
  model.at = function (now) {
    model.now = Math.max(0, Math.min(last, now));
    state = null;
    return model;
  };
  model.state = function () { return state || (state = compute()); };
  model.entity = function (id) { return model.state().entities.get(id); };
  model.personOf = personOf;
  model.idOf = idOf;
  model.other = function (tie, id) { return tie.a === id ? tie.b : tie.a; };

  // The pairs of entities: key "a|b" with a < b → their ties, the most telling first.
  model.pairs = function () {
    var found = new Map();
    model.state().ties.forEach(function (tie) {
      var key = pairKey(tie.a, tie.b);
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(tie);
    });
    found.forEach(function (ties) { ties.sort(moreTelling); });
    return found;
  };
  function pairKey(a, b) { return a < b ? a + "|" + b : b + "|" + a; }
  model.pairKey = pairKey;

  // Entities with a form in which `wanted` occurs: exact first, then beginnings, then the more important. Where there is
  // none in the whole book, those with a form that occurs in it: 武大 for 武大郎.
  model.search = function (wanted, limit) {
    wanted = folded(wanted);
    var hits = [];
    if (!wanted) return hits;
    model.state().entities.forEach(function (entity) {
      var best = null;
      [entity.name].concat(entity.aliases).forEach(function (form) {
        var own = low.get(form), at = own.indexOf(wanted);
        var rank = own === wanted ? 0 : at === 0 ? 1 : at > 0 ? 2 : model.now === last && own.length > 1 && wanted.indexOf(own) >= 0 ? 3 : 4;
        if (rank < 4 && (!best || rank < best.rank)) best = { rank: rank, form: form };
      });
      if (best) hits.push({ id: entity.id, entity: entity, form: best.form, rank: best.rank });
    });
    if (hits.some(function (hit) { return hit.rank < 3; })) hits = hits.filter(function (hit) { return hit.rank < 3; });
    hits.sort(function (a, b) { return a.rank - b.rank || b.entity.weight - a.entity.weight; });
    return hits.slice(0, limit || 12);
  };

  // Places, organizations, things and events that a reader has met; a person's links to them.
  model.others = function (wanted) {
    wanted = folded(wanted);
    var hits = [];
    data.others.forEach(function (o, i) {
      if (o.at[0] <= model.now && low.get(o.name).indexOf(wanted) >= 0) hits.push(i);
    });
    return hits;
  };
  model.linksOf = function (id) {
    var person = personOf(id), early = formOf(id);
    return early ? [] : (linksByPerson[person] || []).filter(function (l) { return l.at[0] <= model.now; });
  };
  var linksByPerson = {}, linksByOther = {};
  data.links.forEach(function (link) {
    (linksByPerson[link.person] = linksByPerson[link.person] || []).push(link);
    (linksByOther[link.other] = linksByOther[link.other] || []).push(link);
  });
  model.linkedTo = function (other) { return (linksByOther[other] || []).filter(function (l) { return l.at[0] <= model.now; }); };

  // The ties with each other entity, relatives and lovers first, then the strongest in all; of each what the text says
  // of the two first.
  var near = new Set(data.groups.flatMap(function (g) { return g.id === "family" || g.id === "love" ? g.kinds : []; }));
  model.partners = function (ties, id) {
    var found = new Map();
    ties.forEach(function (tie) { found.set(model.other(tie, id), (found.get(model.other(tie, id)) || []).concat([tie])); });
    function total(pair) { return sum(pair.map(weight)); }
    var pairs = Array.from(found.values()).map(function (pair) { return pair.sort(moreTelling); });
    function isNear(pair) { return pair.some(function (tie) { return near.has(tie.kind); }) ? 1 : 0; }
    return pairs.sort(function (p, q) { return isNear(q) - isNear(p) || total(q) - total(p); });
  };
  model.inChapter = function (c) {
    var ids = [], state = model.state();
    state.entities.forEach(function (entity) { if (entity.chapters.indexOf(c) >= 0) ids.push(entity.id); });
    return ids.sort(function (a, b) { return state.entities.get(b).weight - state.entities.get(a).weight; });
  };
  // The places that are told of in these chapters; those told of in all chapters say less.
  model.placesOf = function (chapters, limit) {
    var found = [], wanted = new Set(chapters);
    data.others.forEach(function (o, i) {
      var at = o.kind === "Location" ? o.at.filter(function (c) { return c <= model.now; }) : [];
      var n = at.filter(function (c) { return wanted.has(c); }).length;
      if (n) found.push({ other: i, n: n, near: n / Math.sqrt(at.length) });
    });
    return found.sort(function (a, b) { return b.near - a.near; }).slice(0, limit);
  };

  // The shortest way from one to another, the strongest of several, as GraphQuery.path finds it (breadth-first search).
  model.path = function (from, to) {
    var before = new Map([[from, { total: 0 }]]), row = [from];
    while (row.length && !before.has(to)) {
      var reached = new Map();
      row.forEach(function (id) {
        var near = new Map();  // neighbour → the ties to it
        model.entity(id).ties.forEach(function (tie) {
          var other = model.other(tie, id);
          if (!before.has(other)) near.set(other, (near.get(other) || []).concat([tie]));
        });
        near.forEach(function (ties, other) {
          var total = before.get(id).total + ties.reduce(function (s, t) { return s + weight(t); }, 0);
          if (!reached.has(other) || total > reached.get(other).total) reached.set(other, { id: id, ties: ties, total: total });
        });
      });
      reached.forEach(function (step, id) { before.set(id, step); });
      row = Array.from(reached.keys());
    }
    if (!before.has(to)) return null;
    var ids = [to], ties = [];
    for (var step = before.get(to); step.ties; step = before.get(step.id)) { ids.unshift(step.id); ties.unshift(step.ties.sort(moreTelling)[0]); }
    return { ids: ids, ties: ties };
  };
  // A text with chapters ([[chapter, text], …]): the last that a reader has met; "" for none.
  model.known = function (versions) {
    var found = "";
    (versions || []).forEach(function (v) { if (v[0] <= model.now && !found) found = v[1]; });
    return found;
  };
  model.knownAll = function (versions) {
    return (versions || []).filter(function (v) { return v[0] <= model.now; }).map(function (v) { return v[1]; });
  };
  return model;
}
