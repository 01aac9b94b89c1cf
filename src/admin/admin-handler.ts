/**
 * What a page of the admin listener is: a method, a path, and a function from request to reply.
 *
 * Thread: supervisor (on the main thread). Each handler has a file in handlers/; gateway.ts lists
 * the handlers.
 */
import { isObject } from '../base/json-object.js';

/** A request as a handler gets it: host and token were checked, and the body is complete. */
export interface AdminRequest {
  /** The part of the URL after `?`. */
  readonly query: URLSearchParams;
  /** What stands where the path of the handler has its `*`, decoded; else empty. */
  readonly rest: string;
  /** Empty for GET. */
  readonly body: Buffer;
}

export interface AdminReply {
  /** 100 to 599. */
  readonly status: number;
  /** Text and bytes are sent as they are; any other value as JSON. */
  readonly body: unknown;
  /** Default: `application/json`. */
  readonly contentType?: string;
  /** Further fields of the reply, as names and values. */
  readonly fields?: readonly (readonly [string, string])[];
}

export interface AdminHandler {
  /** A GET handler answers HEAD as well. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /**
   * The whole path, without a query; or with `*` in place of its last part, or of the one before
   * it, which is not empty.
   */
  readonly path: string;
  /**
   * Whether the page changes something, or shows what only some may know. The caller then needs
   * `admin.token`; without a token in the configuration nobody may use the page.
   */
  readonly needsToken: boolean;
  /** Longest body; a longer one gets 413. Default: 64 KiB. */
  readonly bodyBytesMax?: number;
  /** An error that this throws becomes a 500 and is logged. */
  answer(request: AdminRequest): AdminReply | Promise<AdminReply>;
}

/** A reply that says what was wrong and what to do, in the form of RFC 9457. */
export function adminProblem(
  status: number,
  title: string,
  detail: string,
  fields: NonNullable<AdminReply['fields']> = [],
): AdminReply {
  return {
    status,
    body: { type: 'about:blank', title, status, detail },
    contentType: 'application/problem+json',
    fields,
  };
}

/** The JSON object of a body; null: it is none. */
export function objectIn(body: Buffer): Readonly<Record<string, unknown>> | null {
  try {
    const said: unknown = JSON.parse(body.toString('utf8'));
    return isObject(said) ? said : null;
  } catch {
    return null;
  }
}
