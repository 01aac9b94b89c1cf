/**
 * Checks keys, types and bounds against the schema, and keeps what is sound.
 *
 * Thread: any (pure). The sound part lets the later checks run on a configuration with mistakes
 * in it, so that the user sees every mistake at once.
 */
import type { ErrorObject } from 'ajv/dist/2020.js';
import { childPointer, pointerKeys } from '../../base/json-pointer.js';
import { type CheckContext, Findings, type SoundPart } from '../../schema/finding.js';
import { fitsNode } from '../../schema/fits-node.js';
import type { SchemaNode } from '../../schema/schema-node.js';
import type { GatewayConfig } from '../gateway-config.js';
import { CONFIG_SCHEMA } from '../schema/config-schema.js';
import { configValidator } from '../schema/config-validator.js';
import { didYouMean, nearestName } from './nearest-name.js';
import {
  describeActual,
  describeExpected,
  describeLength,
  describeMissing,
} from './shape-message.js';
import { meantKey, unknownKeyMessage } from './unknown-key.js';

/** The outcome of the shape check. */
export interface ShapeResult {
  readonly findings: Findings;
  /** The configuration, when its shape has no mistake. */
  readonly config: GatewayConfig | undefined;
  readonly sound: SoundPart<GatewayConfig>;
}

/** Checks the shape of a whole configuration. */
export function checkShape(value: unknown, context: CheckContext): ShapeResult {
  const findings = new Findings(context);
  if (isSound(value)) return { findings, config: value, sound: value };
  const validate = configValidator();
  if (validate(value)) return { findings, config: value, sound: value };
  const copy = { root: copyPlain(value) };
  const errors = tellingErrors(
    (validate.errors ?? []).flatMap((error) => plainErrors(error, copy)),
  );
  const meant = meantKeys(errors);
  for (const error of errors) {
    if (!meant.has(missingKey(error) ?? '')) addFinding(error, findings);
    removeUnsound(copy, error);
  }
  // What remains passed the schema piece by piece, which the checker cannot tell the compiler.
  return { findings, config: undefined, sound: (copy.root ?? {}) as SoundPart<GatewayConfig> };
}

/**
 * Gives values that are one variable and nothing else the type that the schema wants there, since
 * what stands in the environment is always text. Changes `value` in place.
 */
export function retypeVariables(value: unknown, isWholeVariable: (at: string) => boolean): void {
  if (isSound(value)) return;
  const validate = configValidator();
  if (validate(value)) return;
  for (const error of validate.errors ?? []) {
    if (error.keyword !== 'type' || !isWholeVariable(error.instancePath)) continue;
    // Of several types the first that the text can be.
    for (const type of String(error.params['type']).split(',')) {
      const typed = typedScalar(String(error.data), type);
      if (typed === undefined) continue;
      replaceAt(value, error.instancePath, typed);
      break;
    }
  }
}

function isSound(value: unknown): value is GatewayConfig {
  return fitsNode(CONFIG_SCHEMA, value);
}

function typedScalar(text: string, type: string): number | boolean | undefined {
  if (type === 'integer' && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (type === 'number' && /^-?\d{1,15}(\.\d{1,6})?$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return undefined;
}

/**
 * Of a union that does not say which of its parts it is, nothing was checked: it is taken out of
 * the copy as a whole, and what is wrong is told in the words of any other key.
 */
function plainErrors(error: ErrorObject, copy: { root: unknown }): ErrorObject[] {
  if (error.keyword !== 'discriminator') return [error];
  replaceAt(copy.root, error.instancePath, undefined);
  const tag = String(error.params['tag']);
  const value: unknown = error.params['tagValue'];
  if (value === undefined) {
    return [{ ...error, keyword: 'required', params: { missingProperty: tag } }];
  }
  const parentSchema: SchemaNode = { type: 'string', enum: choicesOf(nodeOf(error), tag) };
  const instancePath = childPointer(error.instancePath, tag);
  return [{ ...error, keyword: 'enum', instancePath, parentSchema, data: value }];
}

/** What a key may be that is one of a few words; none: it is of another kind. */
function choicesOf({ oneOf = [], properties }: SchemaNode, key: string): readonly string[] {
  return properties?.[key]?.enum ?? oneOf.flatMap((node) => node.properties?.[key]?.enum ?? []);
}

function describeChoices(node: SchemaNode, key: string): string {
  const choices = choicesOf(node, key);
  if (choices.length === 0) return '';
  return `: it is ${describeExpected({ type: 'string', enum: choices })}`;
}

/** One error a value: several keywords of one value fail for one reason. */
function tellingErrors(errors: readonly ErrorObject[]): ErrorObject[] {
  const seen = new Set<string>();
  return errors.filter((error) => {
    // It only says that an error about the name, which is in the list itself, was found.
    if (error.keyword === 'propertyNames') return false;
    const key = unknownKey(error) ?? error.params['missingProperty'] ?? error.propertyName ?? '';
    const isAboutKey = key !== '';
    const subject = `${error.instancePath} ${isAboutKey ? 'key' : 'value'} ${key}`;
    if (seen.has(subject)) return false;
    seen.add(subject);
    return true;
  });
}

function unknownKey(error: ErrorObject): string | undefined {
  return error.keyword === 'additionalProperties'
    ? String(error.params['additionalProperty'])
    : undefined;
}

/** Pointer of a key that is required and not there. */
function missingKey(error: ErrorObject): string | undefined {
  if (error.keyword !== 'required') return undefined;
  return childPointer(error.instancePath, String(error.params['missingProperty']));
}

/** Keys that are there under a mistyped name: to call them missing as well would confuse. */
function meantKeys(errors: readonly ErrorObject[]): ReadonlySet<string> {
  const meant = new Set<string>();
  for (const error of errors) {
    const key = unknownKey(error);
    if (key === undefined) continue;
    const meantOne = meantKey(key, Object.keys(nodeOf(error).properties ?? {}));
    if (meantOne !== undefined) meant.add(childPointer(error.instancePath, meantOne));
  }
  return meant;
}

/** The part of the schema that the value failed. */
function nodeOf(error: ErrorObject): SchemaNode {
  return (error.parentSchema ?? { type: 'object' }) as SchemaNode;
}

function addFinding(error: ErrorObject, findings: Findings): void {
  const pointer = error.instancePath;
  const node = nodeOf(error);
  const key = unknownKey(error);
  if (key !== undefined) {
    const message = unknownKeyMessage(key, node);
    findings.add({ pointer, place: childPointer(pointer, key), part: 'key', message });
    return;
  }
  if (error.keyword === 'required') {
    const missing = String(error.params['missingProperty']);
    const message = `missing key ${JSON.stringify(missing)}${describeChoices(node, missing)}`;
    findings.add({ pointer, place: pointer, part: 'key', message });
    return;
  }
  if (error.propertyName !== undefined) {
    const name = JSON.stringify(error.propertyName);
    const message = `the key ${name} must be ${describeExpected(node)}`;
    const place = childPointer(pointer, error.propertyName);
    findings.add({ pointer, place, part: 'key', message });
    return;
  }
  findings.addValue(pointer, valueMessage(error, node, findings));
}

function valueMessage(error: ErrorObject, node: SchemaNode, findings: Findings): string {
  if (error.keyword === 'uniqueItems') {
    return `the items ${error.params['j']} and ${error.params['i']} are the same`;
  }
  const value: unknown = error.data;
  if (value === null) return describeMissing(node);
  const quoted = isShown(value, node) ? findings.quote(error.instancePath, value) : undefined;
  const nearest = typeof value === 'string' ? nearestName(value, node.enum ?? []) : undefined;
  const isSaid = quoted === JSON.stringify(value) && nearest !== undefined;
  const suggestion = isSaid ? didYouMean(nearest) : '';
  const isCounted = /^(min|max)(Items|Properties|Length)$/.test(error.keyword);
  // A value that is not shown says nothing more, unless it is of another kind.
  const isSilent = isCounted || (quoted === undefined && error.keyword !== 'type');
  const actual = isSilent ? '' : `, not ${describeActual(value, quoted)}`;
  // A secret that is too short, which is not shown, would seem to have the wrong characters.
  const isLength = error.keyword.endsWith('Length') && node['x-meaning'] !== undefined;
  const length = isLength ? `,${describeLength(node)}` : '';
  const hint = wrappingHint(value, node) ?? quotingHint(value, node) ?? suggestion;
  return `must be ${describeExpected(node)}${length}${actual}${hint}`;
}

/** A text in place of a mapping that needs one key alone. */
function wrappingHint(value: unknown, { type, required = [] }: SchemaNode): string | undefined {
  const [key] = required;
  if (typeof value !== 'string' || type !== 'object' || required.length !== 1) return undefined;
  return ` (write { ${key}: "…" })`;
}

/** What quotes do in YAML: a number for a name, or a text for a number. */
function quotingHint(value: unknown, node: SchemaNode): string | undefined {
  const isText = node.type === 'string' && node['x-duration'] === undefined;
  if (isText && typeof value === 'number') return ' (quote it)';
  const isOther = typeof value === 'string' && typedScalar(value, String(node.type)) !== undefined;
  return isOther ? ' (without quotes)' : undefined;
}

/** Short scalars where a scalar belongs, but not what may be a secret in the wrong place. */
function isShown(value: unknown, node: SchemaNode): value is string | number | boolean {
  if (node.writeOnly === true || node.type === 'object' || node.type === 'array') return false;
  return ['string', 'number', 'boolean'].includes(typeof value) && String(value).length <= 100;
}

function copyPlain(value: unknown, depth = 0): unknown {
  if (depth > 100 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => copyPlain(item, depth + 1));
  const entries = Object.entries(value).map(([key, item]) => [key, copyPlain(item, depth + 1)]);
  return Object.fromEntries(entries);
}

/** Too many, too few or equal parts: each part by itself is sound. */
const WHOLE_KEYWORDS: ReadonlySet<string> = new Set([
  'required',
  'uniqueItems',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
]);

function removeUnsound(copy: { root: unknown }, error: ErrorObject): void {
  if (WHOLE_KEYWORDS.has(error.keyword)) return;
  const key = unknownKey(error) ?? error.propertyName;
  const pointer = key === undefined ? error.instancePath : childPointer(error.instancePath, key);
  if (pointer === '') copy.root = undefined;
  else replaceAt(copy.root, pointer, undefined);
}

/** Puts a value where the pointer shows; undefined takes it away but keeps list indexes. */
function replaceAt(root: unknown, pointer: string, value: unknown): void {
  const keys = pointerKeys(pointer);
  const last = keys.pop();
  let parent: unknown = root;
  for (const key of keys) {
    if (typeof parent !== 'object' || parent === null) return;
    parent = Object.hasOwn(parent, key) ? Reflect.get(parent, key) : undefined;
  }
  if (typeof parent !== 'object' || parent === null || last === undefined) return;
  if (value === undefined && !Array.isArray(parent)) Reflect.deleteProperty(parent, last);
  else Reflect.set(parent, last, value);
}
