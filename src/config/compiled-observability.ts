/**
 * Logs and traces, as threads have them.
 *
 * Thread: any (pure). Types only.
 */

export interface CompiledLogging {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'text';
  /** null: no records. */
  readonly accessLog: CompiledAccessLog | null;
  /** What records show that are kept for a replay. */
  readonly keptRecords: CompiledAccessLog;
}

/** Which requests get a record, and what the record shows. */
export interface CompiledAccessLog {
  /**
   * The percentage (0 to 100) of the remaining requests, which no filter selects, that get a
   * record.
   */
  readonly samplePercent: number;
  /** First and last of each range of statuses whose requests always get a record. */
  readonly statuses: readonly (readonly [number, number])[];
  /** Requests that took longer always get a record; -1: no such filter. */
  readonly slowerThanMs: number;
  /** Request fields to show, lower case. */
  readonly headers: readonly string[];
  /**
   * Fields of which the record shows only that they were present, lower case, beside the usual
   * ones.
   */
  readonly secretHeaders: readonly string[];
  /** Query parameters whose values are hidden, lower case. */
  readonly redactQuery: readonly string[];
  /** Whether bodies are shown of routes that have them shown. */
  readonly showsBodies: boolean;
}

export interface CompiledTracing {
  readonly endpoint: string;
  readonly samplePercent: number;
  readonly serviceName: string;
  /** In order of preference. */
  readonly propagation: readonly ('w3c' | 'b3' | 'b3multi' | 'jaeger')[];
  readonly headers: readonly (readonly [string, string])[];
  /** Lower case. */
  readonly redactQuery: readonly string[];
}
