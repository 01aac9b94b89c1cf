#!/usr/bin/env node
/**
 * Process entry: arguments, signals, exit codes.
 *
 * Thread: supervisor (on the main thread).
 */

import { setFlagsFromString } from 'node:v8';
import { systemClock } from './base/clock.js';
import { EXIT_FAILURE } from './cli/command-io.js';
import { runCommandLine } from './cli/command-line.js';
import { processIo } from './cli/process-io.js';
import { createRunCommand } from './cli/run.js';
import { loadNodeModules } from './supervisor/node-modules.js';
import { YoungGenerations } from './supervisor/young-generations.js';

// Every thread here is busy with requests, so collecting young garbage on helper threads shortens
// no pause and costs more CPU time in all.
setFlagsFromString('--no-parallel-scavenge');

const young = new YoungGenerations(systemClock);
const runGateway = createRunCommand(async (first, options) => {
  const { createWorkerPool } = await import('./supervisor/worker-pool.js');
  // The workers load their code while this thread loads the rest of its own.
  const pool = createWorkerPool(first.compiled, young);
  const { makeGateway } = await import('./gateway.js');
  return makeGateway(first, options, { lanes: pool, isService: true });
}, process);
const run: typeof runGateway = (options, io) => {
  loadNodeModules();
  young.hold();
  return runGateway(options, io);
};

const io = processIo(process, systemClock);
process.exitCode = await runCommandLine(process.argv.slice(2), io, run);
const failure = await io.written();
if (failure !== '') {
  process.exitCode = EXIT_FAILURE;
  process.stderr.write(`sluice: standard output cannot be written: ${failure}\n`);
}
// Anything that still keeps the process alive (such as a log that nobody reads) has had its time.
process.exit();
