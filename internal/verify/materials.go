package verify

import "encoding/json"

// Material is what a provenance statement says that its subjects were made of (SLSA
// provenance v1, resolvedDependencies), as it is written there.
type Material struct {
	URI    string // of an image, "" for a file
	Name   string
	SHA256 string // in hexadecimal, "" if it names none
	Commit string // a git commit's ID, "" if it names none
}

// Materials reads those of a provenance statement, in its order. The statement is not
// verified here.
func Materials(statement []byte) ([]Material, error) {
	var s struct {
		Predicate struct {
			BuildDefinition struct {
				Materials []struct {
					URI    string `json:"uri"`
					Name   string `json:"name"`
					Digest struct {
						SHA256 string `json:"sha256"`
						Commit string `json:"gitCommit"`
					} `json:"digest"`
				} `json:"resolvedDependencies"`
			} `json:"buildDefinition"`
		} `json:"predicate"`
	}
	if err := json.Unmarshal(statement, &s); err != nil {
		return nil, err
	}
	all := make([]Material, 0, len(s.Predicate.BuildDefinition.Materials))
	for _, m := range s.Predicate.BuildDefinition.Materials {
		all = append(all, Material{m.URI, m.Name, m.Digest.SHA256, m.Digest.Commit})
	}
	return all, nil
}
