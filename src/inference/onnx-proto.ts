// The messages of an ONNX file, as far as a network of this kind uses them: fields by number, read and written over the
// protobuf wire. Unknown fields are skipped, as protobuf asks. Numbers: onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
// Off the hot path.

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

interface FieldTypes {
  /** Varint of at most 53 bits. */
  int: number;
  float: number;
  string: string;
  bytes: Uint8Array;
}
type Kind = keyof FieldTypes;

interface Field<K extends Kind | Schema = Kind | Schema, R extends boolean = boolean> {
  readonly number: number;
  readonly kind: K;
  readonly isRepeated: R;
}
interface Schema {
  readonly [name: string]: Field;
}
type Value<K> = K extends Kind ? FieldTypes[K] : K extends Schema ? Message<K> : never;
/** Repeated fields are lists, empty where absent; others are undefined where absent. */
type Message<S extends Schema> = {
  [Name in keyof S]: S[Name] extends Field<infer K, true>
    ? Value<K>[]
    : S[Name] extends Field<infer K, false>
      ? Value<K> | undefined
      : never;
};

const one = <K extends Kind | Schema>(number: number, kind: K): Field<K, false> => ({
  number,
  kind,
  isRepeated: false,
});
const many = <K extends Kind | Schema>(number: number, kind: K): Field<K, true> => ({ number, kind, isRepeated: true });

const TENSOR = {
  dims: many(1, "int"),
  dataType: one(2, "int"),
  floatData: many(4, "float"),
  int64Data: many(7, "int"),
  name: one(8, "string"),
  rawData: one(9, "bytes"),
  /** 1 where the values are in another file. */
  dataLocation: one(14, "int"),
} satisfies Schema;

const ATTRIBUTE = {
  name: one(1, "string"),
  f: one(2, "float"),
  i: one(3, "int"),
  s: one(4, "bytes"),
  t: one(5, TENSOR),
  floats: many(7, "float"),
  ints: many(8, "int"),
  type: one(20, "int"),
} satisfies Schema;

const NODE = {
  input: many(1, "string"),
  output: many(2, "string"),
  name: one(3, "string"),
  opType: one(4, "string"),
  attribute: many(5, ATTRIBUTE),
  domain: one(7, "string"),
} satisfies Schema;

const DIMENSION = { value: one(1, "int"), parameter: one(2, "string") } satisfies Schema;
const TENSOR_TYPE = { elemType: one(1, "int"), shape: one(2, { dim: many(1, DIMENSION) }) } satisfies Schema;
const VALUE_INFO = { name: one(1, "string"), type: one(2, { tensorType: one(1, TENSOR_TYPE) }) } satisfies Schema;

const GRAPH = {
  node: many(1, NODE),
  name: one(2, "string"),
  initializer: many(5, TENSOR),
  input: many(11, VALUE_INFO),
  output: many(12, VALUE_INFO),
} satisfies Schema;

const MODEL = {
  irVersion: one(1, "int"),
  producerName: one(2, "string"),
  producerVersion: one(3, "string"),
  docString: one(6, "string"),
  // Written in this order: a file cut short lacks the end of its graph or the opset, never the metadata alone.
  metadataProps: many(14, { key: one(1, "string"), value: one(2, "string") }),
  graph: one(7, GRAPH),
  opsetImport: many(8, { domain: one(1, "string"), version: one(2, "int") }),
} satisfies Schema;

export type OnnxTensor = Message<typeof TENSOR>;
export type OnnxAttribute = Message<typeof ATTRIBUTE>;
export type OnnxNode = Message<typeof NODE>;
export type OnnxValueInfo = Message<typeof VALUE_INFO>;
export type OnnxGraph = Message<typeof GRAPH>;
export type OnnxModel = Message<typeof MODEL>;

/** TensorProto.DataType. */
export const ONNX_FLOAT = 1;
export const ONNX_INT64 = 7;
/** AttributeProto.AttributeType. */
export const ATTRIBUTE_FLOAT = 1;
export const ATTRIBUTE_INT = 2;
export const ATTRIBUTE_INTS = 7;

type AnyMessage = Record<string, unknown>;

export function encodeOnnx(model: OnnxModel): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writeMessage(writer, MODEL, model);
  return writer.finish();
}

/** Throws RangeError or Error where the bytes are not the message. */
export function decodeOnnx(bytes: Uint8Array): OnnxModel {
  return readMessage(new BinaryReader(bytes), MODEL, bytes.length) as OnnxModel;
}

/** A message with every field absent but those given. */
export const onnxTensor = (fields: Partial<OnnxTensor>): OnnxTensor => ({
  ...(empty(TENSOR) as OnnxTensor),
  ...fields,
});
export const onnxAttribute = (fields: Partial<OnnxAttribute>): OnnxAttribute => ({
  ...(empty(ATTRIBUTE) as OnnxAttribute),
  ...fields,
});

function empty(schema: Schema): AnyMessage {
  return Object.fromEntries(Object.entries(schema).map(([name, field]) => [name, field.isRepeated ? [] : undefined]));
}

function writeMessage(writer: BinaryWriter, schema: Schema, message: AnyMessage): void {
  for (const [name, field] of Object.entries(schema)) {
    const value = message[name];
    const values = field.isRepeated ? (value as unknown[]) : value === undefined ? [] : [value];
    for (const item of values) writeValue(writer, field, item);
  }
}

function writeValue(writer: BinaryWriter, { number, kind }: Field, value: unknown): void {
  if (kind === "int") writer.tag(number, WireType.Varint).int64(value as number);
  else if (kind === "float") writer.tag(number, WireType.Bit32).float(value as number);
  else if (kind === "string") writer.tag(number, WireType.LengthDelimited).string(value as string);
  else if (kind === "bytes") writer.tag(number, WireType.LengthDelimited).bytes(value as Uint8Array);
  else {
    writer.tag(number, WireType.LengthDelimited).fork();
    writeMessage(writer, kind, value as AnyMessage);
    writer.join();
  }
}

function readMessage(reader: BinaryReader, schema: Schema, end: number): AnyMessage {
  const message = empty(schema);
  const byNumber = new Map(Object.entries(schema).map(([name, field]) => [field.number, { name, field }]));
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const known = byNumber.get(number);
    if (known === undefined) {
      reader.skip(wireType, number);
      continue;
    }
    const { name, field } = known;
    const isPacked = wireType === WireType.LengthDelimited && wireTypeOf(field.kind) !== WireType.LengthDelimited;
    if (!isPacked && wireType !== wireTypeOf(field.kind)) throw new Error(`field '${name}' has wire type ${wireType}`);
    const valuesEnd = isPacked ? lengthEnd(reader) : reader.pos + 1;
    // One value, or as many as a packed field holds.
    while (reader.pos < valuesEnd) {
      const value = readValue(reader, field.kind);
      if (field.isRepeated) (message[name] as unknown[]).push(value);
      else message[name] = value;
    }
  }
  if (reader.pos !== end) throw new RangeError(`a message ends at byte ${end}, its last field at ${reader.pos}`);
  return message;
}

function readValue(reader: BinaryReader, kind: Kind | Schema): unknown {
  if (kind === "int") return Number(reader.int64());
  if (kind === "float") return reader.float();
  if (kind === "string") return reader.string();
  if (kind === "bytes") return reader.bytes();
  return readMessage(reader, kind, lengthEnd(reader));
}

/** Where the length-delimited value that begins here ends. */
function lengthEnd(reader: BinaryReader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError(`a field of ${length} bytes reaches beyond the end of the file`);
  return end;
}

function wireTypeOf(kind: Kind | Schema): WireType {
  if (kind === "int") return WireType.Varint;
  if (kind === "float") return WireType.Bit32;
  return WireType.LengthDelimited;
}
