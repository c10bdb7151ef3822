// Loopback-tool builds programs that the tests start into the tool cache, so
// that no test has to wait for a compiler: go run ./tools/loopback-tool gitea
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"facerec/internal/loopback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, name := range os.Args[1:] {
		path, err := loopback.Tool(ctx, name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "loopback-tool: %v\n", err)
			os.Exit(1)
		}
		fmt.Println(path)
	}
}
