/**
 * The files of an OpenAPI document: its version, and what its references lead to.
 *
 * Thread: loader. A reference may lead into other files, relative to the file that it stands in.
 * Nothing is fetched over a network.
 */
import { dirname, resolve } from 'node:path';
import { isObject } from '../../base/json-object.js';
import { pointerKeys } from '../../base/json-pointer.js';
import type { ReadDocument } from '../../filters/filter-options.js';
import type { SchemaDialect } from '../../filters/validation/schema-engine.js';
import type { OpenapiNotes } from './openapi-notes.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** References to references. */
const HOPS_MAX = 16;
const FILES_MAX = 2000;

/** A part of a document, and the file that its own references are relative to. */
export interface Located<T = unknown> {
  readonly value: T;
  readonly file: string;
}

/** Where a reference leads: the file, and the keys from its root on. */
export interface Target extends Located {
  readonly keys: readonly string[];
}

/** Names of parameters in routes are letters, digits and `_`. */
export function paramName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_');
}

export class OpenapiDocument {
  private readonly files = new Map<string, unknown>();

  private constructor(
    private readonly root: JsonObject,
    /** Absolute, or empty for a document without a file. */
    private readonly file: string,
    private readonly read: ReadDocument,
    readonly dialect: SchemaDialect,
  ) {
    this.files.set(file, root);
  }

  /** A document, or what is wrong with it. */
  static open(value: unknown, file: string, read: ReadDocument): OpenapiDocument | string {
    if (!isObject(value)) return 'it is no OpenAPI document';
    const version = String(value['openapi'] ?? '');
    if (!/^3\.[012](?:\.|$)/.test(version)) return otherVersion(value, version);
    const dialect = version.startsWith('3.0') ? 'draft-07' : '2020-12';
    return new OpenapiDocument(value, file, read, dialect);
  }

  get paths(): Located<JsonObject> {
    const { paths } = this.root;
    return { value: isObject(paths) ? paths : {}, file: this.file };
  }

  /** Follows `$ref`; undefined: it leads to no object, which is told. */
  resolve(from: Located, at: string, notes: OpenapiNotes): Located<JsonObject> | undefined {
    let { value, file } = from;
    for (let hop = 0; hop < HOPS_MAX; hop++) {
      if (!isObject(value)) break;
      const { $ref } = value;
      if (typeof $ref !== 'string') return { value, file };
      const target = this.follow($ref, file);
      if (typeof target === 'string') {
        tell(notes, at, target, $ref);
        return undefined;
      }
      ({ value, file } = target);
    }
    notes.mistake(at, 'a reference leads nowhere');
    return undefined;
  }

  /** Where a reference in this file leads, or why it leads nowhere. */
  follow(reference: string, from: string): Target | string {
    if (/^[a-z][a-z0-9+.-]*:/i.test(reference)) return REMOTE;
    const [path = '', fragment = ''] = reference.split('#', 2);
    if (fragment !== '' && !fragment.startsWith('/')) return 'an anchor';
    const file = path === '' ? from : this.fileOf(path, from);
    const root = file === undefined ? undefined : this.load(file);
    if (file === undefined || root === undefined) return `leads to a file that cannot be read`;
    const keys = pointerKeys(decode(fragment));
    const value = keys.reduce<unknown>((parent, key) => memberOf(parent, key), root);
    return value === undefined ? `leads nowhere` : { value, file, keys };
  }

  private fileOf(path: string, from: string): string | undefined {
    return from === '' ? undefined : resolve(dirname(from), decode(path));
  }

  private load(file: string): unknown {
    if (!this.files.has(file) && this.files.size < FILES_MAX) {
      const document = this.read(file);
      this.files.set(file, document.isValid ? document.value : undefined);
    }
    return this.files.get(file);
  }
}

function otherVersion(document: JsonObject, version: string): string {
  const what = 'it is not of OpenAPI 3.0, 3.1 or 3.2';
  if (document['swagger'] !== undefined) {
    return `${what} but Swagger ${String(document['swagger'])}: convert it (npx swagger2openapi)`;
  }
  return version === '' ? `${what}: there is no "openapi" at its top` : `${what} but ${version}`;
}

const REMOTE = 'a reference to a URL';

/** A reference that Sluice does not follow is unsupported; one that leads nowhere is a mistake. */
export function tell(notes: OpenapiNotes, at: string, reason: string, reference: string): void {
  const shown = JSON.stringify(reference.slice(0, 200));
  if (reason.startsWith('leads')) notes.mistake(at, `the reference ${shown} ${reason}`);
  else notes.unsupported(at, `${shown} is ${reason}, which is not followed`);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function memberOf(parent: unknown, key: string): unknown {
  return typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key)
    ? Reflect.get(parent, key)
    : undefined;
}
