/**
 * What the gateway says of itself to targets that speak HTTP/2.
 *
 * Thread: any (pure). RFC 9113 6.5.2.
 */
import { FIELD_LINE_BYTES } from '../../base/head-size.js';
import { ENTRY_EXTRA_BYTES } from '../hpack/dynamic-table.js';
import type { HeadLimits } from '../hpack/hpack-decoder.js';
import {
  SETTING_ENABLE_PUSH,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_HEADER_LIST_SIZE,
} from './frame-kinds.js';
import type { WindowOptions } from './sending-side.js';

export interface ClientOptions extends WindowOptions {
  /** Streams that are opened at once, if the target allows as many. */
  readonly streamsMax: number;
  /** Of the heads of replies. */
  readonly limits: HeadLimits;
}

/** The settings as they are sent. */
export function clientSettings({
  streamWindowBytes,
  limits,
}: ClientOptions): readonly (readonly [id: number, value: number])[] {
  // The setting counts 32 bytes for a field where HTTP/1.1 has 4.
  const more = limits.fieldsMax * (ENTRY_EXTRA_BYTES - FIELD_LINE_BYTES);
  return [
    [SETTING_ENABLE_PUSH, 0],
    [SETTING_INITIAL_WINDOW_SIZE, streamWindowBytes],
    [SETTING_MAX_HEADER_LIST_SIZE, limits.bytesMax + more],
  ];
}
