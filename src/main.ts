#!/usr/bin/env node
/**
 * Process entry: arguments, signals, exit codes.
 *
 * Thread: acceptor.
 */

import { runCommandLine } from './cli/command-line.js';
import { createRunCommand } from './cli/run.js';
import { Gateway } from './gateway.js';

const run = createRunCommand((first, options) => new Gateway(first, options), process);

process.exitCode = await runCommandLine(process.argv.slice(2), process, run);
// What still holds the process open (a log that nobody reads, say) has had its time.
process.exit();
