package tarball_test

import (
	"bytes"
	"context"
	"fmt"

	"facerec/internal/tarball"
)

// A tree becomes the bytes that GNU tar and gzip -n write for it.
func ExamplePack() {
	tree, err := tarball.NewTree([]tarball.Entry{
		{Name: "hello.txt", Type: tarball.Regular, Mode: 0o644, Content: tarball.BytesContent([]byte("hello\n"))},
	})
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	results, err := tarball.Pack(context.Background(), []tarball.Job{
		{Name: "hello", Tree: tree, Prefix: "hello-1.0.0", Recipe: tarball.GNUGzip6, Out: &out},
	}, tarball.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(results[0].TarSize, int64(out.Len()) == results[0].FileSize)
	// Output: 10240 true
}
