"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;

  // Charts are drawn when they come into view, and again when the mode changes.
  const shown = new Map();
  const style = () => getComputedStyle(root);
  const config = () => {
    const fg = style().getPropertyValue("--fg").trim(), muted = style().getPropertyValue("--muted").trim();
    const line = style().getPropertyValue("--line").trim();
    return {
      background: "transparent", view: { stroke: "transparent" }, font: "system-ui, sans-serif",
      axis: { labelColor: fg, titleColor: muted, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal" },
      legend: { labelColor: fg, titleColor: muted, titleFontWeight: "normal" }, header: { labelColor: fg, titleColor: muted },
      title: { color: fg }, range: { category: { scheme: "tableau20" } },
    };
  };
  // On a phone a chart is as wide as the page, panels stand below each other, the legend below all.
  const fit = (spec, available) => {
    const unit = spec.spec ?? spec, columns = spec.columns ?? 1, room = spec.spec ? 70 : 160;
    if (available <= 0 || columns * ((unit.width ?? 0) + room) + 150 <= available) return spec;
    const fitted = structuredClone(spec), inner = fitted.spec ?? fitted;
    inner.width = Math.min(inner.width, Math.max(140, available - room));
    if (unit.width === unit.height) inner.height = inner.width;
    if (fitted.columns) fitted.columns = Math.max(1, Math.floor(available / (inner.width + room)));
    for (const layer of [inner, ...(inner.layer ?? [])]) {
      const colour = layer.encoding?.color;
      if (colour?.field) colour.legend = { ...colour.legend, orient: "bottom", columns: 2 };
    }
    return fitted;
  };
  const embed = async (element) => {
    const before = shown.get(element);
    shown.set(element, null);
    const spec = fit(data.specs[element.dataset.chart], element.parentElement.clientWidth);
    (await before)?.finalize();  // otherwise every change of mode leaks a view
    shown.set(element, vegaEmbed(element, { ...spec, config: { ...spec.config, ...config() } }, { actions: false, renderer: "canvas" }));
  };
  const places = [...document.querySelectorAll("[data-chart]")];
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting && !shown.has(entry.target)) embed(entry.target);
  }, { rootMargin: "300px" });
  places.forEach((place) => observer.observe(place));
  let width = innerWidth;  // a phone that is turned draws again; its bars that come and go do not
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; [...shown.keys()].forEach(embed); } });

  // Light or dark mode follows the system until the button is pressed.
  const button = document.getElementById("theme");
  const apply = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark));
    [...shown.keys()].forEach(embed);
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  apply(system.matches);
  system.addEventListener("change", (event) => apply(event.matches));
  button.addEventListener("click", () => apply(root.dataset.theme !== "dark"));

  // A click or Enter on a heading sorts its table; empty cells go last.
  const value = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.sort ?? cell.textContent.trim();
    return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : text;
  };
  document.addEventListener("click", (event) => {
    const heading = event.target.closest("table.sortable thead button")?.closest("th");
    if (!heading) return;
    const falling = heading.getAttribute("aria-sort") === "ascending" ||
      (heading.classList.contains("n") && !heading.hasAttribute("aria-sort"));
    heading.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = heading.closest("table").tBodies[0];
    const rows = [...body.rows].map((row) => [value(row, heading.cellIndex), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      return falling ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  });

  // The table of all numbers is built here; setting text content alone keeps data from being HTML.
  const { runs, rows, ends } = data.table;
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, content] of Object.entries(attributes)) element.setAttribute(name, content);
    return element;
  };
  const percent = (number) => number === null ? "" : (100 * number).toFixed(1);
  const points = (number) => number === null ? "" : (number < 0 ? "" : "+") + (100 * number).toFixed(1);
  const p = (number) => number === null ? "" : number < 0.001 ? "<0.001" : number.toPrecision(2);
  const table = document.getElementById("all"), count = document.getElementById("count");
  const pick = { task: document.getElementById("task"), lines: document.getElementById("lines"), filter: document.getElementById("filter") };
  const name = (row) => `${row.task} (${row.split}), ${row.metric}${row.lower ? ", lower is better" : ""}`;
  const names = [...new Set(rows.filter((row) => row.headline).map(name)), ...new Set(rows.filter((row) => !row.headline).map(name))];
  names.forEach((text) => pick.task.append(make("option", text)));
  const head = make("tr", "");
  const heading = (text, number) => {
    const cell = make("th", "", { scope: "col", ...(number ? { class: "n" } : {}) });
    cell.append(make("button", text, { type: "button" }));
    head.append(cell);
  };
  ["Languages", "Group"].forEach((text) => heading(text));
  heading("Rows", true);
  runs.forEach((run, number) => {
    heading(run, true);
    if (number) ["gain", "95 % interval", "p rows", "p seeds"].forEach((text) => heading(text, true));
  });
  head.append(make("th", "Signatures", { scope: "col" }));
  table.tHead.append(head);
  const line = (row) => {
    const element = make("tr", "");
    element.append(make("th", row.what, { scope: "row" }), make("td", row.group), make("td", row.n[0] === row.n[1] ? row.n[0] : row.n.join("–"), { class: "n", "data-sort": row.n[0] }));
    row.cells.forEach(([score, gain, low, high, rowsP, seedsP, sd], number) => {
      element.append(make("td", percent(score) + (sd === null ? "" : ` ± ${percent(sd)}`), { class: "n", "data-sort": score }));
      if (!number) return;
      const sure = low !== null && (low > 0 || high < 0), good = (gain > 0) !== row.lower;
      element.append(
        make("td", points(gain), { class: `n ${sure ? (good ? "up" : "down") : "flat"}`, "data-sort": gain ?? "" }),
        make("td", low === null ? "" : `${points(low)} to ${points(high)}`, { class: "n", "data-sort": low ?? "" }),
        make("td", p(rowsP), { class: "n", "data-sort": rowsP ?? "" }), make("td", p(seedsP), { class: "n", "data-sort": seedsP ?? "" }),
      );
    });
    const last = make("td", "");
    if (row.signatures.length) {
      const copy = make("button", "Copy", { type: "button", "aria-label": `Copy the signatures of ${row.what}` });
      copy.addEventListener("click", () => toClipboard(row.signatures.map(([start, end]) => start + ends[end]).join("\n")));
      last.append(copy);
    }
    element.append(last);
    return element;
  };
  const fill = () => {
    const wanted = pick.filter.value.toLowerCase();
    const found = rows.filter((row) => name(row) === pick.task.value && row.whole === (pick.lines.value === "groups") && row.what.toLowerCase().includes(wanted));
    table.tHead.querySelectorAll("th").forEach((cell) => cell.removeAttribute("aria-sort"));
    table.tBodies[0].replaceChildren(...found.map(line));
    count.textContent = `${found.length} lines`;
  };
  Object.values(pick).forEach((control) => control.addEventListener("input", fill));
  fill();

  const copied = document.getElementById("copied");
  async function toClipboard(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // a page from disk may be denied the clipboard
      const area = make("textarea", text, { readonly: "" });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    copied.textContent = `Copied: ${text.split("\n")[0].slice(0, 120)}…`;
  }
  root.dataset.ready = "true";
})();
