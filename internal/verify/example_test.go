package verify_test

import (
	"errors"
	"fmt"
	"strings"

	"facerec/internal/verify"
)

// The key and the bundle are those of a release; the private key is gone.
const (
	exampleKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAikFD/77V9hIeU0YF7QtKzlIpQSoAUFhu2Z6o1g+Thjo=
-----END PUBLIC KEY-----
`
	exampleBundle = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"3ZlkU4FKUXvqCZsXXu9pEF7kuzK4DWtNKeyJ+iMsEG4="}},"messageSignature":{"messageDigest":{"algorithm":"SHA2_512","digest":"qkjdW6IZPS6H9VNxuDuRhQbZtUKWJtOOLwxmrZawNTu7+EJmpur8ZnIIOP2gcPZd0kOIZ/edDZulSfkujEKzDQ=="},"signature":"alaKdWTdbVDRaNhtE5dYaGwgHw1KOB3IE3hPTvnIDXwrIrb1xjgc3vVNwwqpcMFvX9Ba5xkDbiLZJuMNIjatDw=="}}`
	exampleSums   = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  hello.txt\n"
)

// Check a file against a bundle that a managed key signed. Without a transparency
// log nobody vouches for the time of signing, so the policy must allow that by name.
func ExampleBlob() {
	key, err := verify.ParsePublicKey([]byte(exampleKey))
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := verify.Policy{Key: key, UnsafeNoTransparencyLog: true}

	signature, err := verify.Blob([]byte(exampleBundle), verify.Data(strings.NewReader(exampleSums)), policy)
	fmt.Println(err, strings.Join(signature.Unchecked, ", "))

	_, err = verify.Blob([]byte(exampleBundle), verify.Data(strings.NewReader("other bytes\n")), policy)
	var refused *verify.Error
	fmt.Println(errors.As(err, &refused) && refused.Class == verify.Untrusted)
	// Output:
	// <nil> no transparency log was checked, no time of signing was checked
	// true
}
