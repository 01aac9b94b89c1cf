/**
 * Question: how fast does a gateway pass a large reply on, and does its memory stay flat?
 */
import { streamScenario } from '../stream.js';

export const streamDown = streamScenario('down');
