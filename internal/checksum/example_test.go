package checksum_test

import (
	"fmt"

	"facerec/internal/checksum"
)

func ExampleParseList() {
	list, err := checksum.ParseList("SHA256SUMS", []byte("SHA256 (a.tar.gz) = ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range list {
		fmt.Printf("%s %s %x\n", e.Name, e.Algorithm, e.Sum[:4])
	}
	_, err = checksum.ParseList("MD5SUMS", []byte("0cc175b9c0f1b6a831c399e269772661  a.tar.gz\n"))
	fmt.Println(err)
	// Output:
	// a.tar.gz sha256 ca978112
	// MD5SUMS line 1: has a sum of 32 hexadecimal digits (MD5); expected SHA-256, SHA-384 or SHA-512
}
