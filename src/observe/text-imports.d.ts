// Files imported `with { type: "text" }`.
declare module "*.css" {
  const text: string;
  export default text;
}
/** Scripts of report.html: they run in a browser, here they are text. */
declare module "*.client.js" {
  const text: string;
  export default text;
}
declare module "uplot/dist/uPlot.iife.min.js" {
  const text: string;
  export default text;
}
