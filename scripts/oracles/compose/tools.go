//go:build tools

// Package compose pins the reference implementation that the corpus is held against.
package compose

import _ "github.com/docker/compose/v5/cmd"
