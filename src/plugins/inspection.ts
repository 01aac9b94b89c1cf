/**
 * What is asked about a plugin when a configuration is loaded, and what is found.
 *
 * Thread: any (pure). Types only. Survives a structured clone.
 */
import type { PluginModule } from './plugin-module.js';

export interface InspectOrder {
  /** Absolute name of its file, or a URL with `file:`; '': see `package`. */
  readonly file: string;
  /** Name of a package; '': see `file`. */
  readonly package: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export type Inspection =
  | {
      readonly isValid: true;
      readonly modules: readonly PluginModule[];
      readonly counters: readonly string[];
      /** With the defaults of its schema. */
      readonly options: Readonly<Record<string, unknown>>;
      /** Absolute names of all files that were read. */
      readonly files: readonly string[];
    }
  | {
      readonly isValid: false;
      readonly problems: readonly InspectionProblem[];
      readonly files: readonly string[];
    };

export interface InspectionProblem {
  /** JSON Pointer within the options; undefined: it is about the plugin itself. */
  readonly pointer?: string;
  readonly message: string;
}
