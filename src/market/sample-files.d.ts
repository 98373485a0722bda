// Files embedded with `with { type: "file" }`: the import is their path, inside the executable or on disk.
declare module "*.csv" {
  const path: string;
  export default path;
}
declare module "*.csv.gz" {
  const path: string;
  export default path;
}
