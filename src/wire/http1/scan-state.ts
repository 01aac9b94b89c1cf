/**
 * Where a scanner stands in the head of a request, and what a step of it comes to.
 *
 * Thread: any (pure). request-head-scanner.ts has the way from one state to the next.
 */
export const METHOD = 0;
export const TARGET = 1;
export const VERSION = 2;
export const LINE_LF = 3;
export const NAME = 4;
export const BLANK = 5;
export const VALUE = 6;
export const FIELD_LF = 7;
export const HEAD_LF = 8;
export type ScanState =
  | typeof METHOD
  | typeof TARGET
  | typeof VERSION
  | typeof LINE_LF
  | typeof NAME
  | typeof BLANK
  | typeof VALUE
  | typeof FIELD_LF
  | typeof HEAD_LF;

/** All bytes of the step are used up, and more must come. */
export const SCAN_MORE = 0;
/** The head is there, and good. */
export const SCAN_WHOLE = 1;
/** The head is wrong: see its `problem`. */
export const SCAN_REFUSED = 2;
export type ScanEvent = typeof SCAN_MORE | typeof SCAN_WHOLE | typeof SCAN_REFUSED;
