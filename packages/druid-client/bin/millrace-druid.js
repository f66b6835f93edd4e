#!/usr/bin/env node
// There before a build is: package managers link it when they install.
import '../dist/cli/main.js';
