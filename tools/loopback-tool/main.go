// Loopback-tool builds programs that the tests start into the tool cache, so
// that no test has to wait for a compiler: go run ./tools/loopback-tool gitea.
// Without a name it lists all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"facerec/internal/loopback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 1 {
		fmt.Println(strings.Join(loopback.Tools(), "\n"))
		return
	}
	for _, name := range os.Args[1:] {
		path, err := loopback.Tool(ctx, name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "loopback-tool: %v\n", err)
			os.Exit(1)
		}
		fmt.Println(path)
	}
}
