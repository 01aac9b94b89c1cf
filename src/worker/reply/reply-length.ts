/**
 * Holds the stages of a reply to the length that its head announces.
 *
 * Thread: worker.
 */
import type { Exchange } from '../exchange/exchange.js';

/** Throws when a stage says one thing in the head and does another. */
export function checkLength({ reply }: Exchange, bytes: number, isLast: boolean): void {
  const { bodyBytes, bytesSent, isBodiless } = reply;
  if (bodyBytes === -1 || isBodiless) return;
  const sent = bytesSent + bytes;
  if (sent > bodyBytes || (isLast && sent !== bodyBytes)) {
    throw new Error(`a reply of ${bodyBytes} bytes has ${sent}`);
  }
}
