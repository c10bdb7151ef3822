package inputs

import (
	"encoding/json"
	"os"
	"testing"
)

// The table of licences is made from what is linked in, so with the same tags.
func TestLicencesHaveTheTags(t *testing.T) {
	raw, err := os.ReadFile("../../licences.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Programs []struct{ Name, Tags string }
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Programs {
		if p.Name == "facerec" {
			if p.Tags != goTags {
				t.Errorf("licences.json: got the tags %q, expected %q", p.Tags, goTags)
			}
			return
		}
	}
	t.Error("licences.json does not name facerec")
}
