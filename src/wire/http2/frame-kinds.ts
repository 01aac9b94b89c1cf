/**
 * The frames of HTTP/2, their flags, the settings and the codes of errors.
 *
 * Thread: any (pure). RFC 9113 6 and 7, RFC 8441 3.
 *
 *     +0  length, 24 bits   +3  type   +4  flags   +5  stream, 31 bits   +9  payload
 */

export const FRAME_HEAD_BYTES = 9;
/** The largest payload that this side takes: what every endpoint must take. */
export const FRAME_BYTES_MAX = 16_384;

export const TYPE_DATA = 0;
export const TYPE_HEADERS = 1;
export const TYPE_PRIORITY = 2;
export const TYPE_RST_STREAM = 3;
export const TYPE_SETTINGS = 4;
export const TYPE_PUSH_PROMISE = 5;
export const TYPE_PING = 6;
export const TYPE_GOAWAY = 7;
export const TYPE_WINDOW_UPDATE = 8;
export const TYPE_CONTINUATION = 9;

export const FLAG_ACK = 0x1;
export const FLAG_END_STREAM = 0x1;
export const FLAG_END_HEADERS = 0x4;
export const FLAG_PADDED = 0x8;
export const FLAG_PRIORITY = 0x20;

export const SETTING_HEADER_TABLE_SIZE = 1;
export const SETTING_ENABLE_PUSH = 2;
export const SETTING_MAX_CONCURRENT_STREAMS = 3;
export const SETTING_INITIAL_WINDOW_SIZE = 4;
export const SETTING_MAX_FRAME_SIZE = 5;
export const SETTING_MAX_HEADER_LIST_SIZE = 6;
export const SETTING_ENABLE_CONNECT_PROTOCOL = 8;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const CONNECT_ERROR = 10;
export const ENHANCE_YOUR_CALM = 11;

/** By code (RFC 9113 7). */
const ERROR_NAMES: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** The name of a code; of one that is not known the number. */
export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`;
}

/** Every window before it is changed (RFC 9113 6.9.2). */
export const WINDOW_BYTES_DEFAULT = 65_535;

/** The largest window, and the largest stream. */
export const NUMBER_MAX = 0x7fff_ffff;

/** What a client sends before its first frame (RFC 9113 3.4). */
export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
