// A reader's corrections, collected for a file that `kgnb fix --apply` reads. The page itself stays as it is.
function Corrections(data, say, changed) {
  "use strict";
  var list = [];

  function field(form, name, label, options) {
    var row = form.appendChild(el("label", label)), made;
    if (options) {
      made = el("select");
      options.forEach(function (o) {
        var option = made.appendChild(el("option", o[1]));
        option.value = o[0];
      });
    } else made = el("input");
    made.name = name;
    row.appendChild(made);
    return made;
  }
  // A form of its own for each kind of correction; `ready` makes the record of what was typed, null while it lacks a word.
  function make(box, title, fields, ready) {
    var own = box.appendChild(el("details")), form, values = {};
    own.appendChild(el("summary", title));
    form = own.appendChild(el("form"));
    fields.concat([["reason", say("fix_reason")]]).forEach(function (f) { values[f[0]] = field(form, f[0], f[1], f[2]); });
    var button = form.appendChild(el("button", say("fix_add")));
    button.type = "submit";
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      var typed = {};
      Object.keys(values).forEach(function (key) { typed[key] = values[key].value.trim(); });
      var record = ready(typed);
      if (!record) return;
      if (typed.reason) record.reason = typed.reason;
      list.push(record);
      changed();
    });
  }
  var kinds = Object.keys(data.types).map(function (k) { return [k, data.types[k]]; });

  var corrections = { list: list };
  corrections.ofPerson = function (name) {
    var box = el("details", undefined, "fix");
    box.appendChild(el("summary", say("fix")));
    make(box, say("fix_rename"), [["to", say("fix_name")]], function (v) { return v.to && { do: "rename", who: name, to: v.to }; });
    make(box, say("fix_merge"), [["other", say("fix_name")]], function (v) { return v.other && { do: "merge", who: name, others: [v.other] }; });
    make(box, say("fix_kind"), [["kind", say("fix_is"), [["", say("fix_nobody")], ["Location", say("location")], ["Organization", say("organization")], ["Thing", say("thing")]]]],
      function (v) { return { do: "kind", who: name, kind: v.kind }; });
    make(box, say("fix_tie"), [["to", say("fix_name")], ["type", say("fix_type"), kinds], ["since", say("fix_since")]], function (v) {
      var made = { do: "tie", who: name, to: v.to, type: v.type }, since = Number(v.since);
      if (v.since && !data.chapters.some(function (c) { return c[0] === since; })) return null;
      return v.to && (since ? Object.assign(made, { chapters: [since, since] }) : made);
    });
    make(box, say("fix_protagonist"), [["yes", say("fix_is"), [["yes", say("yes")], ["no", say("no")]]]], function (v) { return { do: "protagonist", who: name, yes: v.yes === "yes" }; });
    make(box, say("fix_note"), [["text", say("fix_text")]], function (v) { return { do: "note", who: name, text: v.text }; });
    return box;
  };
  corrections.ofTie = function (source, target, kind) {
    var box = el("details", undefined, "fix");
    box.appendChild(el("summary", say("fix_wrong_tie")));
    make(box, say("fix_untie"), [], function () { return { do: "untie", who: source, to: target, type: kind }; });
    make(box, say("fix_retype"), [["type", say("fix_type"), kinds]], function (v) {
      list.push({ do: "untie", who: source, to: target, type: kind });
      return { do: "tie", who: source, to: target, type: v.type };
    });
    return box;
  };
  // What was collected, each with a button that takes it back.
  corrections.overview = function () {
    var box = el("section", undefined, "relation");
    box.appendChild(el("h3", say("fixes", { n: list.length })));
    list.forEach(function (record, i) {
      var row = box.appendChild(el("div", undefined, "tie")), words = [record.who, say("fix_" + (record.do === "kind" ? "kind" : record.do))];
      words.push(record.to || (record.others || []).join(say("comma")) || record.text || "");
      if (record.type) words.push(data.types[record.type] || record.type);
      row.appendChild(el("span", words.filter(Boolean).join(" · ")));
      var undo = row.appendChild(el("button", say("fix_undo"), "link more"));
      undo.type = "button";
      undo.addEventListener("click", function () { list.splice(i, 1); changed(); });
    });
    box.appendChild(el("p", say("fix_how"), "hint"));
    return box;
  };
  corrections.file = function () {
    var head = { format: "kgnb-corrections", version: 1, book: document.title, corrections: list };
    return new Blob([JSON.stringify(head, null, 1) + "\n"], { type: "application/json" });
  };
  return corrections;
}
