"use strict";
/* The report: everything is in the page. */
const started = start(embeddedSource());
