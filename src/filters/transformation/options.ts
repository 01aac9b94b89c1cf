/**
 * Options of what changes in requests on their way to the upstream, and in replies on their way
 * back. Where it says "values of the request", `${claims.sub}`, `${params.id}`, `${headers.NAME}`,
 * `${query.NAME}`, `${clientIp}` and `${request.NAME}` stand for what the request has there.
 *
 * Thread: any (pure).
 */
import type { ByteSize } from '../../base/quantities.js';

/** What changes in the request on its way to the upstream. */
export interface RewriteConfig {
  /** Start of the path to cut off; whole segments of the route's path. Default: nothing. */
  readonly stripPrefix?: string;
  /** Put before the path, after `stripPrefix`. Default: nothing. */
  readonly addPrefix?: string;
  /**
   * The whole path in place of the client's, with values of the request: `/v2/items/${params.id}`,
   * `/files/${params.*}` for what a `*` took. Excludes the two above. Default: the client's path.
   */
  readonly path?: string;
  /** Query parameters to change. Values of the request may stand in values. */
  readonly query?: RewriteFieldsConfig;
  /** Header fields to change. Values of the request may stand in values. */
  readonly headers?: RewriteFieldsConfig;
  /** Members of a JSON body to change. A body of another type is refused with 415. */
  readonly body?: RewriteBodyConfig;
}

/** What changes in the target's reply. Replies of the gateway's own stay as they are. */
export interface RewriteReplyConfig {
  /** Header fields to change. Values of the request may stand in values. */
  readonly headers?: RewriteFieldsConfig;
  /**
   * Members of a JSON body to change. A body that is larger than `maxBytes`, encoded, partial or
   * broken is not let through unchanged: 502.
   */
  readonly body?: RewriteBodyConfig;
}

/** Named fields to change. First `rename`, then `remove`, `set`, `add`. */
export interface RewriteFieldsConfig {
  /** Fields to set, whatever was there. One with a missing value is left out. Default: none. */
  readonly set?: Readonly<Record<string, string>>;
  /** Fields to add to those that are there. Default: none. */
  readonly add?: Readonly<Record<string, string>>;
  /** Names of fields to remove. Default: none. */
  readonly remove?: readonly string[];
  /** Old names and new ones. Default: none. */
  readonly rename?: Readonly<Record<string, string>>;
}

/** Members of a JSON document to change, by JSON Pointer (RFC 6901). Numbers keep every digit. */
export interface RewriteBodyConfig {
  /** Values of any type; parents that are missing are made. Values of the request in strings. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Members to remove. */
  readonly remove?: readonly string[];
  /** Members to move, where they exist. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Largest body that is changed, 1KiB to 1MiB. Default: 256KiB. */
  readonly maxBytes?: ByteSize;
}

export interface CompiledFieldEdits {
  /** Names (of header fields in lower case) and templates. */
  readonly set: readonly (readonly [string, string])[];
  readonly add: readonly (readonly [string, string])[];
  readonly remove: readonly string[];
  readonly rename: readonly (readonly [string, string])[];
}

export interface CompiledBodyEdits {
  readonly set: readonly { readonly keys: readonly string[]; readonly value: unknown }[];
  readonly remove: readonly (readonly string[])[];
  readonly rename: readonly { readonly from: readonly string[]; readonly to: readonly string[] }[];
  readonly maxBytes: number;
}

export interface CompiledTransformation {
  readonly stripPrefix: string;
  readonly addPrefix: string;
  /** Empty: the client's path. */
  readonly path: string;
  readonly query: CompiledFieldEdits | null;
  readonly headers: CompiledFieldEdits | null;
  readonly body: CompiledBodyEdits | null;
  readonly replyHeaders: CompiledFieldEdits | null;
  readonly replyBody: CompiledBodyEdits | null;
}

/** Names by which a program could reach what belongs to all objects. */
const NAMES_OF_ALL_OBJECTS: ReadonlySet<string> = new Set([
  '__proto__',
  'constructor',
  'prototype',
]);

/** The keys of a pointer, or what is wrong with it. */
export function parsePointer(pointer: string): readonly string[] | string {
  if (!/^(?:\/(?:[^~/]|~[01])*)+$/.test(pointer)) {
    return 'must be a JSON Pointer to a member (written /name, /list/0/name)';
  }
  const keys = pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (keys.length > 32) return 'must not be deeper than 32 levels';
  const foreign = keys.find((key) => NAMES_OF_ALL_OBJECTS.has(key));
  return foreign === undefined ? keys : `must not name ${foreign}`;
}
