/**
 * Which dialect of gRPC a message is in, by its Content-Type.
 *
 * Thread: any (pure).
 */

/** gRPC over HTTP/2. */
export const DIALECT_GRPC = 1;
/** gRPC-Web with frames as they are. */
export const DIALECT_WEB = 2;
/** gRPC-Web in base64. */
export const DIALECT_WEB_TEXT = 3;
/** No gRPC on this side: HTTP with JSON. */
export const DIALECT_JSON = 4;
export type GrpcDialect =
  | typeof DIALECT_GRPC
  | typeof DIALECT_WEB
  | typeof DIALECT_WEB_TEXT
  | typeof DIALECT_JSON;

const PREFIX = 'application/grpc';
const WEB = '-web';
const TEXT = '-text';

/** 0: it is no gRPC. */
export function grpcDialectOf(contentType: string): GrpcDialect | 0 {
  // Hot path: most requests have another type, or none.
  if (contentType.length < PREFIX.length) return 0;
  const type = contentType.toLowerCase();
  if (!type.startsWith(PREFIX)) return 0;
  const rest = type.slice(PREFIX.length);
  if (isEnd(rest)) return DIALECT_GRPC;
  if (!rest.startsWith(WEB)) return 0;
  const afterWeb = rest.slice(WEB.length);
  if (isEnd(afterWeb)) return DIALECT_WEB;
  return afterWeb.startsWith(TEXT) && isEnd(afterWeb.slice(TEXT.length)) ? DIALECT_WEB_TEXT : 0;
}

/** The name ends here; a suffix (`+proto`) or parameters may follow. */
function isEnd(rest: string): boolean {
  return rest === '' || rest[0] === '+' || rest[0] === ';' || rest[0] === ' ';
}

/** The type of the same messages in gRPC itself. */
export function grpcTypeOf(webType: string): string {
  return PREFIX + suffixOf(webType);
}

/** The type of the same messages in gRPC-Web. */
export function webTypeOf(grpcType: string, dialect: GrpcDialect): string {
  const suffix = suffixOf(grpcType);
  return `${PREFIX}${WEB}${dialect === DIALECT_WEB_TEXT ? TEXT : ''}${suffix || '+proto'}`;
}

/** `+proto` of a type; '': it has none. */
function suffixOf(type: string): string {
  return /^application\/grpc(?:-web(?:-text)?)?(\+[a-z0-9.-]+)/i.exec(type)?.[1] ?? '';
}
