/**
 * What is wrong with a configuration: every finding at once, each with its place in the file.
 *
 * Thread: any (pure). Messages name keys and places; values that came out of a variable and
 * values of secret fields are never part of a message, since logs outlive secrets.
 */

/** Past this many the list says how many more there are. */
const ISSUES_SHOWN_MAX = 100;

/** One thing that is wrong. */
export interface ConfigIssue {
  /**
   * Where in the configuration: `routes[2].rateLimit.window`, or the name of the environment
   * variable that carried the value. Empty: the whole file.
   */
  readonly path: string;
  /** Line in the file, from 1; 0 when the value did not come from a file. */
  readonly line: number;
  /** Column in the line, from 1; 0 when the value did not come from a file. */
  readonly column: number;
  readonly message: string;
  /** The file, if it is not the one that the configuration was read from: one it includes. */
  readonly file?: string;
}

/** Thrown by the loading and compiling of a configuration. Its message lists all issues. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The file as the user named it; empty when the configuration is an object in memory. */
  readonly file: string;
  readonly issues: readonly ConfigIssue[];

  constructor(file: string, issues: readonly ConfigIssue[]) {
    super(formatIssues(file, issues));
    this.file = file;
    this.issues = issues;
  }
}

/** `routes[0].rateLimit: unknown key "windw", did you mean "window"? (sluice.yaml:31:7)` */
function formatIssue(file: string, issue: ConfigIssue): string {
  const subject = issue.path === '' ? '' : `${issue.path}: `;
  return `${subject}${issue.message}${formatPlace(file, issue)}`;
}

function formatPlace(file: string, issue: ConfigIssue): string {
  if (file === '') return '';
  if (issue.line > 0) return ` (${issue.file ?? file}:${issue.line}:${issue.column})`;
  // A path without a line is an environment variable: the file has nothing to do with it.
  return issue.path === '' ? ` (${file})` : '';
}

function formatIssues(file: string, issues: readonly ConfigIssue[]): string {
  const lines = issues.slice(0, ISSUES_SHOWN_MAX).map((issue) => formatIssue(file, issue));
  const hidden = issues.length - lines.length;
  if (hidden > 0) lines.push(`and ${hidden} more`);
  return lines.join('\n');
}
