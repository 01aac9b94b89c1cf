/**
 * What a page of the admin listener is: a method, a path, and a function from request to reply.
 *
 * Thread: acceptor. One file for each handler stands in handlers/; gateway.ts lists them.
 */

/** A request as a handler sees it: host and token were checked, the body is complete. */
export interface AdminRequest {
  /** What follows `?`. */
  readonly query: URLSearchParams;
  /** Empty for GET; at most 64 KiB. */
  readonly body: Buffer;
}

export interface AdminReply {
  /** 100 to 599. */
  readonly status: number;
  /** Text and bytes are sent as they are; anything else as JSON. */
  readonly body: unknown;
  /** Default: `application/json`. */
  readonly contentType?: string;
  /** Further fields of the reply, names and values. */
  readonly fields?: readonly (readonly [string, string])[];
}

export interface AdminHandler {
  /** GET answers HEAD as well. */
  readonly method: 'GET' | 'POST';
  /** The whole path, without a query. */
  readonly path: string;
  /** Whether it changes something, or tells what others must not know: then who calls needs
   * `admin.token`, and without one in the configuration nobody may. */
  readonly needsToken: boolean;
  /** What it throws becomes a 500 and is logged. */
  answer(request: AdminRequest): AdminReply | Promise<AdminReply>;
}

/** A reply that says what was wrong and what to do, as RFC 9457 has it. */
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
