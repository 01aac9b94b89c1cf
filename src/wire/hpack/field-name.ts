/**
 * What the encoder knows of the names of fields.
 *
 * Thread: any (pure). One look tells all of it. Targets choose names, so that the memory of them is
 * bounded: what is known of a name beyond that is found out each time.
 */
import { type IndexPolicy, indexPolicyOf } from './index-policy.js';
import { STATIC_NAMES, staticValuesOf } from './static-table.js';
import { writeText } from './text-literal.js';

const NAMES_MAX = 1024;
/** What a length takes at most before a text. */
const LENGTH_BYTES_MAX = 8;

export interface FieldName {
  readonly text: string;
  readonly policy: IndexPolicy;
  /** Of the first entry in the static table that has the name; 0: none has. */
  readonly staticIndex: number;
  /** The values of the entries from there on. */
  readonly staticValues: readonly string[];
  /** The name as it stands in a block, with its length. */
  readonly literal: Uint8Array;
}

const known = new Map<string, FieldName>();

/** `name` is in lower case. */
export function fieldNameOf(name: string): FieldName {
  const before = known.get(name);
  if (before !== undefined) return before;
  const found = lookUp(ownCopyOf(name));
  if (known.size < NAMES_MAX) known.set(found.text, found);
  return found;
}

function lookUp(text: string): FieldName {
  const literal = new Uint8Array(text.length + LENGTH_BYTES_MAX);
  const staticIndex = STATIC_NAMES.get(text) ?? 0;
  return {
    text,
    policy: indexPolicyOf(text),
    staticIndex,
    staticValues: staticIndex === 0 ? [] : staticValuesOf(text),
    literal: literal.slice(0, writeText(literal, 0, text)),
  };
}

/** A part of a head keeps all of that head in memory; its copy does not. */
function ownCopyOf(name: string): string {
  return `\n${name}`.slice(1);
}
