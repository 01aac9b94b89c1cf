/**
 * What the other side of a connection has said of itself.
 *
 * Thread: any (pure). RFC 9113 6.5.2, RFC 8441 3. Settings that are not known are ignored.
 */
import {
  FLOW_CONTROL_ERROR,
  FRAME_BYTES_MAX,
  NO_ERROR,
  NUMBER_MAX,
  PROTOCOL_ERROR,
  SETTING_ENABLE_CONNECT_PROTOCOL,
  SETTING_ENABLE_PUSH,
  SETTING_HEADER_TABLE_SIZE,
  SETTING_INITIAL_WINDOW_SIZE,
  SETTING_MAX_CONCURRENT_STREAMS,
  SETTING_MAX_FRAME_SIZE,
  WINDOW_BYTES_DEFAULT,
} from './frame-kinds.js';

const SETTING_BYTES = 6;
const FRAME_BYTES_LIMIT = 0xff_ffff;

export class PeerSettings {
  tableBytes = 4096;
  initialWindow = WINDOW_BYTES_DEFAULT;
  /** Streams that it lets us have open at once. */
  streamsMax = Number.POSITIVE_INFINITY;
  /** It takes extended CONNECT. */
  mayConnect = false;

  /** Takes a frame's payload; returns NO_ERROR, or the code of the error of the connection. */
  take(payload: Buffer): number {
    for (let at = 0; at < payload.length; at += SETTING_BYTES) {
      const code = this.takeOne(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
      if (code !== NO_ERROR) return code;
    }
    return NO_ERROR;
  }

  private takeOne(id: number, value: number): number {
    switch (id) {
      case SETTING_HEADER_TABLE_SIZE:
        this.tableBytes = value;
        return NO_ERROR;
      case SETTING_ENABLE_PUSH:
        return value <= 1 ? NO_ERROR : PROTOCOL_ERROR;
      case SETTING_ENABLE_CONNECT_PROTOCOL:
        if (value > 1 || (this.mayConnect && value === 0)) return PROTOCOL_ERROR;
        this.mayConnect = value === 1;
        return NO_ERROR;
      case SETTING_MAX_CONCURRENT_STREAMS:
        this.streamsMax = value;
        return NO_ERROR;
      case SETTING_INITIAL_WINDOW_SIZE:
        if (value > NUMBER_MAX) return FLOW_CONTROL_ERROR;
        this.initialWindow = value;
        return NO_ERROR;
      case SETTING_MAX_FRAME_SIZE:
        return value >= FRAME_BYTES_MAX && value <= FRAME_BYTES_LIMIT ? NO_ERROR : PROTOCOL_ERROR;
      default:
        return NO_ERROR;
    }
  }
}
