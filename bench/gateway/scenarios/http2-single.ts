/**
 * Question: what does a plain GET cost over HTTP/2, where each connection has one at a time?
 */
import { http2Scenario } from '../http2.js';

export const http2Single = http2Scenario({
  name: 'http2-single',
  title: 'GET over HTTP/2 with TLS, 64 connections of one stream, 131 bytes of JSON back',
  connections: 64,
  streams: 1,
});
