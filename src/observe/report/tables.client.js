// Tables that sort by a click or a key on their column's name. Runs in the browser, after format.client.js.

gyr.fillTable = (() => {
  const { element, byId } = gyr;

  /** Value to sort by: of a cell { text, value, node, class } its value. */
  const keyOf = (cell) => (typeof cell === "object" ? (cell.value ?? cell.text) : cell);

  function cellOf(cell, column, isFirst) {
    const isObject = typeof cell === "object";
    const classes = [column.kind ?? "", isObject ? (cell.class ?? "") : ""].filter((name) => name !== "").join(" ");
    const attributes = { class: classes === "" ? undefined : classes };
    // The first column names its row.
    if (isFirst) attributes.scope = "row";
    return element(isFirst ? "th" : "td", attributes, isObject ? (cell.node ?? String(cell.text)) : String(cell));
  }

  /**
   * @param columns { name, kind: "num" | "mono" | "text" | undefined, isSortable }
   * @param rows    arrays of cells, as long as columns
   * @param empty   what stands there without rows
   */
  return function fillTable(id, columns, rows, empty) {
    const table = byId(id);
    table.replaceChildren();
    table.hidden = rows.length === 0;
    table.parentElement.querySelector(".empty")?.remove();
    if (rows.length === 0) {
      table.after(element("p", { class: "empty" }, empty));
      return;
    }
    const body = element("tbody");
    const show = (shown) =>
      body.replaceChildren(
        ...shown.map((row) =>
          element("tr", {}, ...row.map((cell, index) => cellOf(cell, columns[index], index === 0))),
        ),
      );
    const heads = columns.map((column, index) => {
      const head = element("th", { scope: "col", class: column.kind });
      if (!column.isSortable) {
        head.append(column.name);
        return head;
      }
      const button = element("button", { type: "button" }, column.name);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "descending" ? 1 : -1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
        show(rows.toSorted((a, b) => direction * compare(keyOf(a[index]), keyOf(b[index]))));
      });
      head.append(button);
      return head;
    });
    show(rows);
    table.append(element("thead", {}, element("tr", {}, ...heads)), body);
  };
})();
