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

/** Every window before it is changed (RFC 9113 6.9.2). */
export const WINDOW_BYTES_DEFAULT = 65_535;

export interface ServerOptions {
  /** Streams that may be open at once. */
  readonly streamsMax: number;
  /** Bytes of a body that may come before they are credited; WINDOW_BYTES_DEFAULT or more. */
  readonly streamWindowBytes: number;
  /** The same for all streams together; as much as for one or more. */
  readonly windowBytes: number;
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
