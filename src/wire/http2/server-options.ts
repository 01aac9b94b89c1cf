/**
 * What a listener offers to clients that speak HTTP/2.
 *
 * Thread: any (pure). RFC 9113 6.5.2.
 */
import { FIELD_LINE_BYTES } from '../../base/head-size.js';
import { ENTRY_EXTRA_BYTES } from '../hpack/dynamic-table.js';
import type { RequestRules } from '../http1/request-rules.js';
import {
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_HEADER_LIST_SIZE,
} from './frame-kinds.js';
import type { WindowOptions } from './sending-side.js';

export interface ServerOptions extends WindowOptions {
  /** Streams that may be open at once. */
  readonly streamsMax: number;
  /** Extended CONNECT is offered (RFC 8441). */
  readonly mayConnect: boolean;
}

/** The settings as they are sent; the rules have the limits of a head, as HTTP/1.1 counts it. */
export function offeredSettings(
  options: ServerOptions,
  { headerBytes, headerFields }: RequestRules,
): readonly (readonly [id: number, value: number])[] {
  // The setting counts 32 bytes for a field where HTTP/1.1 has 4.
  const more = headerFields * (ENTRY_EXTRA_BYTES - FIELD_LINE_BYTES);
  const settings: [number, number][] = [
    [SETTING_MAX_CONCURRENT_STREAMS, options.streamsMax],
    [SETTING_INITIAL_WINDOW_SIZE, options.streamWindowBytes],
    [SETTING_MAX_HEADER_LIST_SIZE, headerBytes + more],
  ];
  if (options.mayConnect) settings.push([SETTING_ENABLE_CONNECT_PROTOCOL, 1]);
  return settings;
}
