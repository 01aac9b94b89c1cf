/**
 * What is remembered of a request that was refused, and its order in a note of the refusal ring.
 *
 * Thread: any (pure). The acceptor and the workers write, the admin listener reads.
 */

/** Characters of a path that are remembered, and of a cause. */
const PATH_CHARS_MAX = 160;
const CAUSE_CHARS_MAX = 160;

export interface RefusedRequest {
  readonly method: string;
  /** Without the query, which may hold what nobody is to see. */
  readonly path: string;
  /** Name of the route; '' before there was one. */
  readonly route: string;
  readonly clientIp: string;
  /** '' when nobody knew who calls. */
  readonly consumer: string;
  readonly requestId: string;
  /** What was behind the refusal and was not told to the client; '': nothing. */
  readonly cause: string;
  /** The keys by which the limits of the route counted the request, each with its limiter. */
  readonly keyLines: readonly string[];
}

/** The path of a target as a request line has it. */
export function pathOfTarget(target: string): string {
  return target.split('?', 1)[0] ?? '';
}

/** The fields of a note. */
export function noteOf(refused: RefusedRequest): string[] {
  const { method, path, route, clientIp, consumer, requestId, cause, keyLines } = refused;
  const shown = path.slice(0, PATH_CHARS_MAX);
  const why = cause.slice(0, CAUSE_CHARS_MAX);
  return [method, shown, route, clientIp, consumer, requestId, why, ...keyLines];
}

/** Reads the fields of a note; what was cut off at its end is ''. */
export function refusedOf(fields: readonly string[]): RefusedRequest {
  const [method = '', path = '', route = '', clientIp = '', consumer = ''] = fields;
  const [, , , , , requestId = '', cause = '', ...keyLines] = fields;
  return { method, path, route, clientIp, consumer, requestId, cause, keyLines };
}
