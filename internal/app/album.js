"use strict";
const box = document.getElementById("search"), found = document.getElementById("found");
const cards = Array.from(document.querySelectorAll("main > article"));
const lines = Array.from(document.querySelectorAll("#index li"));
const plain = s => s.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const texts = new Map(cards.concat(lines).map(e => [e, plain(e.dataset.find || e.textContent)]));
function search() {
  const words = plain(box.value).split(/\s+/).filter(Boolean);
  const hits = e => words.every(w => texts.get(e).includes(w));
  for (const e of cards.concat(lines)) e.classList.toggle("miss", !hits(e));
  const list = lines.length ? lines : cards;
  found.textContent = words.length ? list.filter(hits).length + " of " + list.length : "";
  const index = document.getElementById("index");
  if (index && words.length) index.open = true;
}
box.closest("[hidden]").hidden = false;
box.addEventListener("input", search);
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.altKey || e.metaKey) return;
  if (e.target === box) {
    if (e.key === "Escape") { box.value = ""; search(); box.blur(); }
    return;
  }
  const open = cards.filter(c => c.offsetParent !== null);
  const at = open.indexOf(document.activeElement.closest("article"));
  const go = c => { if (c) { c.focus(); c.scrollIntoView({block: "nearest"}); } };
  const link = rel => { const a = document.querySelector("a[rel=" + rel + "]"); if (a) a.click(); };
  switch (e.key) {
  case "/": e.preventDefault(); box.focus(); break;
  case "j": go(open[at + 1]); break;
  case "k": go(open[Math.max(0, at - 1)]); break;
  case "n": link("next"); break;
  case "p": link("prev"); break;
  }
});
