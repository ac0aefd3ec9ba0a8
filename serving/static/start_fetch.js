"use strict";
/* The dashboard: everything is fetched from the tier that serves. */
const started = start(fetchingSource());
