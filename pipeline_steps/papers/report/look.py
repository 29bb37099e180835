"""How the report looks, and the little that it does by itself.

Without its script all of it can be read; boxes open and pages turn by HTML and CSS alone.
Colours keep a contrast of 4.5 with what is behind them, in light and in dark.
"""

CSS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --soft: #595959;
  --line: #cfcfcf; --shade: #f3f3f3; --link: #00588c; --bad: #a63c00; --good: #00694d;
  --focus: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #16181b;
  --soft: #b4b4b4; --line: #4a4d52; --shade: #24272b; --link: #8cc8f2; --bad: #ffab7a;
  --good: #6fd6b4; --focus: #f0a060; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink);
  background: var(--paper); margin: 0 auto; max-width: 84rem; padding: 0 1.5rem 4rem;
  overflow-wrap: break-word; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
header { padding: 1.5rem 0 0; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 1.6rem 0 .3rem; }
h3 { font-size: 1.15rem; margin: 2.4rem 0 .4rem; }
h4 { font-size: 1rem; margin: 0 0 .6rem; }
p { margin: .5rem 0; max-width: 60rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem; list-style: none; padding: 0;
  margin: .8rem 0; }
nav a { display: inline-block; padding: .3rem .7rem; border: 1px solid var(--line);
  border-radius: .3rem; text-decoration: none; }
nav a:hover, nav a[aria-current] { background: var(--shade); text-decoration: underline; }
header nav { border-bottom: 1px solid var(--line); }
.soft, .small, caption, figcaption { color: var(--soft); }
.small { font-size: .8rem; font-weight: 400; }
.page { scroll-margin-top: 100vh; } /* so that the menu is seen above it */
.warning { border-left: 5px solid var(--focus); padding: .1rem .8rem; }
.counts { display: flex; flex-wrap: wrap; gap: .6rem; padding: 0; list-style: none; }
.counts li { border: 1px solid var(--line); border-radius: .3rem; padding: .5rem 1rem; }
.counts strong { display: block; font-size: 1.6rem; line-height: 1.2; }
.wide { position: relative; overflow-x: auto; margin: 1rem 0; max-width: 100%; }
table { border-collapse: collapse; }
caption { text-align: left; padding: 0 0 .4rem; position: sticky; left: 0;
  max-width: min(60rem, 100vw - 2rem); }
th, td { padding: .4rem .7rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid var(--ink); border-top: 2px solid var(--ink);
  vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
sup { font-weight: 400; line-height: 0; }
.not-run { color: var(--soft); }
td.not-run { background: var(--shade); }
.bad { color: var(--bad); font-weight: 600; }
.holds { color: var(--good); font-weight: 600; }
.does_not_hold { color: var(--bad); font-weight: 600; }
.inconclusive { font-weight: 600; }
.not_run { color: var(--soft); }
button { font: inherit; color: inherit; background: var(--shade); cursor: pointer;
  border: 1px solid var(--line); border-radius: .3rem; padding: .2rem .7rem; }
button:hover { border-color: var(--ink); }
button.why { background: none; border: 0; padding: 0 .1rem; color: var(--link);
  text-decoration: underline dotted; text-underline-offset: .2em; }
td button.why { font-size: 1.15rem; font-weight: 600; }
th button.sort { background: none; border: 0; padding: 0; font-weight: inherit;
  text-align: inherit; }
th button.sort::after { content: "\\00a0↕"; color: var(--soft); }
th[aria-sort=ascending] button.sort::after { content: "\\00a0↑"; color: inherit; }
th[aria-sort=descending] button.sort::after { content: "\\00a0↓"; color: inherit; }
[popover] { position: fixed; inset: 0; margin: auto; width: min(46rem, 94vw);
  height: fit-content; max-height: 88vh; overflow: auto; padding: 1.2rem;
  color: var(--ink); background: var(--paper); border: 2px solid var(--ink);
  border-radius: .4rem; }
[popover]::backdrop { background: rgb(0 0 0 / .45); }
dl { display: grid; grid-template-columns: 11rem 1fr;
  gap: .2rem 1rem; margin: .6rem 0; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
dd ul { margin: 0; padding-left: 1.1rem; }
code, pre { font: .85em/1.45 ui-monospace, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--shade); padding: .6rem; }
details { margin: .5rem 0; }
summary { cursor: pointer; }
figure { margin: 1.6rem 0 2.4rem; }
figure img { max-width: 100%; height: auto; background: #fff; display: block; }
figcaption { max-width: 60rem; margin-top: .5rem; }
.hidden-text { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap; }
.skip:not(:focus) { position: absolute; left: -99rem; }
@media (max-width: 40rem) {
  body { padding: 0 1rem 3rem; }
  th, td { padding: .4rem .5rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  tbody th { position: sticky; left: 0; background: var(--paper); max-width: 9rem; }
  #overview tbody th .small { display: none; }
}
/* One page at a time where a browser can; all of them where it can't, and on paper. */
@media screen { @supports selector(:has(a)) {
  main:has(> .page:target, > .page :target) > .page:not(:target, :has(:target)),
  main:not(:has(> .page:target, > .page :target)) > .page:not(:first-child)
    { display: none; }
} }
@media print {
  body { max-width: none; font-size: 10pt; }
  nav, .skip, button.sort::after { display: none; }
  button.why { color: inherit; text-decoration: none; }
  .wide { overflow: visible; }
  .page { break-before: page; }
  figure, tr { break-inside: avoid; }
}
"""

SCRIPT = """
"use strict";
const NEXT = {text: {none: "ascending", ascending: "descending", descending: "none"},
  number: {none: "descending", descending: "ascending", ascending: "none"}};

function value(row, column, numeric) {
  const cell = row.cells[column];
  if (!numeric) return cell.textContent.trim().toLowerCase();
  return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
}

function sort(head) {
  const body = head.closest("table").tBodies[0];
  const numeric = head.classList.contains("number");
  const order = NEXT[numeric ? "number" : "text"][head.ariaSort ?? "none"];
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  if (order !== "none") head.ariaSort = order;
  const sign = order === "descending" ? -1 : 1;
  const keyed = body.inOrder.map(row => [value(row, head.cellIndex, numeric), row]);
  if (order !== "none") keyed.sort(([a], [b]) =>
    a === null || b === null ? (a === null) - (b === null)  // what was not run comes last
      : sign * (numeric ? a - b : a.localeCompare(b)));
  body.append(...keyed.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sorts")) {
  table.tBodies[0].inOrder = [...table.tBodies[0].rows];
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    const name = head.querySelector(".name");
    name.replaceWith(button);
    button.append(...name.childNodes);
    button.addEventListener("click", () => sort(head));
  }
}

function turned() {
  for (const box of document.querySelectorAll(":popover-open")) box.hidePopover();
  const page = decodeURIComponent(location.hash.slice(1)).split("/")[0] || "overview";
  for (const link of document.querySelectorAll("header nav a"))
    if (link.hash === "#" + page) link.ariaCurrent = "page";
    else link.removeAttribute("aria-current");
}
window.addEventListener("hashchange", turned);
turned();
"""
