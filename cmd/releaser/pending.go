package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) lsLocal(context.Context, *lsAnswer, artefact) error { return errors.New("pending") }
func (a *app) verifyVerb() *cobra.Command                         { return &cobra.Command{Use: "verify"} }
func (a *app) diffVerb() *cobra.Command                           { return &cobra.Command{Use: "diff"} }
