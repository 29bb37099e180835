const each = (selector, act) => document.querySelectorAll(selector).forEach(act);
const made = (tag, properties) => Object.assign(document.createElement(tag), properties);
const NAME = document.title;

// Columns sort: once, the other way round, and back to the paper's order.
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

each("table.sorts", table => {
  table.tBodies[0].inOrder = [...table.tBodies[0].rows];
  for (const head of table.tHead.rows[0].cells) {
    const button = made("button", {type: "button", className: "sort"});
    const name = head.querySelector(".name");
    name.replaceWith(button);
    button.append(...name.childNodes);
    button.addEventListener("click", () => sort(head));
  }
});

// The leaderboard shows one data set, one paper or all, and no column that stays empty.
each("form.filters", form => {
  form.hidden = false;
  const {dataset, paper} = form.elements;
  const show = () => each(".leaderboard", board => {
    board.hidden = board.dataset.dataset !== dataset.value;
    const [head, ...rows] = board.querySelectorAll("tr");
    for (const row of rows) row.hidden = paper.value !== ""
      && !row.dataset.papers.split(" ").includes(paper.value);
    const left = rows.filter(row => !row.hidden);
    board.querySelector(".wide").hidden = left.length === 0;
    for (const cell of head.cells) if (cell.classList.contains("number")) {
      const column = cell.cellIndex;
      const values = left.map(row => value(row, column, true)).filter(one => one !== null);
      const best = Math.max(...values.map(one => Math.round(10 * one)));
      for (const row of [head, ...rows]) row.cells[column].hidden = values.length === 0;
      for (const row of rows) if (row.cells[column].querySelector(".why"))
        row.cells[column].classList.toggle("best", !row.hidden
          && Math.round(10 * value(row, column, true)) === best);
    }
  });
  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  show();
});

// Claims and models are filtered by their text.
each("input[data-filters]", input => {
  const home = input.closest(".page"), said = input.closest("p").querySelector("[role=status]");
  input.closest("p").hidden = false;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const entries = [...home.querySelectorAll(".claim, .model")];
    const fit = entry => words.every(word => entry.textContent.toLowerCase().includes(word));
    for (const entry of entries) entry.classList.toggle("filtered", !fit(entry));
    for (const group of home.querySelectorAll(".claims")) {
      group.classList.toggle("filtered", !group.querySelector(".claim:not(.filtered)"));
      if (group.tagName === "DETAILS") group.open = words.length > 0;
    }
    const left = entries.filter(entry => !entry.classList.contains("filtered")).length;
    said.textContent = words.length ? `${left} of ${entries.length}` : "";
  });
});

// A box has an address: opening it changes the address and the title, and the other way round.
const at = anchor => document.getElementById(anchor);
const address = () => decodeURIComponent(location.hash.slice(1));

function name(anchor) {
  const there = at(anchor)?.closest("[data-title]") ?? at("overview");
  document.title = anchor ? `${there.dataset.title} · ${NAME}` : NAME;
}

function marked(anchor) {
  each(".opened", cell => cell.classList.remove("opened"));
  const cell = at(`${anchor}/cell`);
  cell?.classList.add("opened");
  return cell;
}

each("[popover]", box => {
  const copy = made("button", {type: "button", textContent: "Copy link"});
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(location.href);
    copy.textContent = "Copied";
  });
  box.querySelector(".close").prepend(copy);
  box.addEventListener("toggle", event => {
    const open = event.newState === "open";
    if (open) marked(box.id);
    else if (address() !== box.id) return;
    history.replaceState(null, "", `#${open ? box.id : box.id.replace(/\/box$/, "") + (at(`${box.id}/cell`) ? "/cell" : "")}`);
    name(open ? box.id : address());
  });
});

function turned() {
  each(":popover-open", box => box.hidePopover());
  const anchor = address(), there = at(anchor), page = anchor.split("/")[0] || "overview";
  const shown = there?.closest(".page")?.id ?? (at(page) ? page : "overview");
  each("nav.pages a", link => {
    if (link.hash === "#" + shown) link.ariaCurrent = "page";
    else link.removeAttribute("aria-current");
  });
  there?.closest("details")?.setAttribute("open", "");
  name(there ? anchor : "");
  if (there?.matches("[popover]")) {
    marked(anchor)?.scrollIntoView({block: "center", inline: "center"});
    there.showPopover();
  }
}
addEventListener("hashchange", turned);
each(".point", point => point.addEventListener("click", () => {
  location.hash = point.dataset.box;
}));
turned();

// Which part of a page is being read.
const reading = new IntersectionObserver(entries => {
  for (const entry of entries) if (entry.isIntersecting)
    entry.target.closest(".page").querySelectorAll("nav.inside a").forEach(link => {
      if (link.hash === "#" + entry.target.id) link.ariaCurrent = "true";
      else link.removeAttribute("aria-current");
    });
}, {rootMargin: "-10% 0px -70%"});
each(".page h3[id]", heading => reading.observe(heading));

// Figures enlarge: to the window first, and to their own size by another click.
const enlarged = made("dialog", {}), whole = made("img", {});
const shut = made("button", {type: "button", textContent: "Close"});
shut.addEventListener("click", () => enlarged.close());
whole.addEventListener("click", () => whole.classList.toggle("whole"));
enlarged.addEventListener("click", event => event.target === enlarged && enlarged.close());
enlarged.append(shut, whole);
document.body.append(enlarged);
each("img.picture", picture => {
  const button = made("button", {type: "button", className: "enlarge"});
  picture.replaceWith(button);
  button.append(picture, made("span", {className: "hidden-text", textContent: "Enlarge"}));
  button.addEventListener("click", () => {
    whole.src = picture.src;
    whole.alt = picture.alt;
    whole.classList.remove("whole");
    enlarged.showModal();
  });
});
