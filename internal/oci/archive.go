package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"facerec/internal/release"
	"facerec/internal/text"
)

// archiveSource reads what `docker save` writes, of every age: with
// manifest.json (Docker 1.10 and later, podman, Nix), or with repositories and a
// directory per layer (before). Such a file has no manifest that a registry
// would know: the one shown here is made from its layers, and its digest is good
// only for comparing two archives.
type archiveSource struct {
	ref      Ref
	files    *archiveFiles
	top      Descriptor
	manifest []byte
	config   []byte
	layers   map[release.Digest]string // file names
	stats    map[int64]storedLayer     // by where its file lies
}

// storedLayer is what is known of a layer's file.
type storedLayer struct {
	mediaType types.MediaType
	size      int64
	digest    v1.Hash // of a compressed one
}

// savedImage is one entry of manifest.json, or what stands for it in an older
// archive.
type savedImage struct {
	Config       string
	RepoTags     []string
	Layers       []string
	LayerSources map[string]v1.Descriptor

	raw []byte // configuration, if it is made from an older archive
}

// Limits of a docker archive.
const (
	maxSavedImages    = 512
	maxConfigurations = 32 << 20 // bytes of all configurations
)

func openArchive(ref Ref) (*archiveSource, error) {
	ref = ref.existing()
	s, err := readArchive(ref)
	var nf *NotFoundError
	if err != nil && !errors.As(err, &nf) && text.Hint(err) == "" && !strings.HasPrefix(err.Error(), "docker archive ") {
		return nil, fmt.Errorf("docker archive %s: %w", ref.Name, err)
	}
	return s, err
}

func readArchive(ref Ref) (*archiveSource, error) {
	files, err := openArchiveFiles(ref.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{What: "docker archive " + text.Show(ref.Name)}
	}
	if err != nil {
		return nil, orLayout(fmt.Errorf("docker archive %s: %w", ref.Name, err), ref.Name)
	}
	s := &archiveSource{ref: ref, files: files, layers: map[release.Digest]string{}, stats: map[int64]storedLayer{}}
	images, err := savedImages(files)
	if err != nil {
		return nil, err
	}
	image, err := s.choose(images)
	if err != nil {
		return nil, err
	}
	return s, s.assemble(image)
}

// savedImages lists the images in an archive.
func savedImages(files *archiveFiles) ([]savedImage, error) {
	switch {
	case files.has("manifest.json"):
		raw, err := readAll(files, "manifest.json")
		if err != nil {
			return nil, err
		}
		var images []savedImage
		if err := decode(raw, &images); err != nil {
			return nil, fmt.Errorf("manifest.json: %w", err)
		}
		if len(images) == 0 {
			return nil, errors.New("manifest.json lists no images")
		}
		if len(images) > maxSavedImages {
			return nil, fmt.Errorf("manifest.json: more than %d images", maxSavedImages)
		}
		return images, nil
	case files.has("index.json"):
		return nil, text.WithHint(fmt.Errorf("docker archive %s: expected manifest.json, got an OCI layout", files.path), "use oci-archive:%s", files.path)
	}
	return legacyImages(files)
}

// choose finds the image that the reference names.
func (s *archiveSource) choose(images []savedImage) (savedImage, error) {
	var all []choice
	total := 0
	for i := range images {
		raw, err := s.configuration(&images[i])
		if err != nil {
			return savedImage{}, err
		}
		if total += len(raw); total > maxConfigurations {
			return savedImage{}, fmt.Errorf("configurations of more than %d bytes", maxConfigurations)
		}
		var c v1.ConfigFile
		if err := decode(raw, &c); err != nil {
			return savedImage{}, fmt.Errorf("configuration %s: %w", text.Show(images[i].Config), err)
		}
		id := "@" + release.DigestBytes(raw).String()
		all = append(all, choice{images[i].RepoTags, id, platformName(c.OS, c.Architecture, c.Variant), i})
	}
	found := all
	switch {
	case !s.ref.Digest.IsZero():
		found = slices.DeleteFunc(slices.Clone(all), func(c choice) bool { return c.id != "@"+s.ref.Digest.String() })
		if len(found) == 0 { // the digest of a manifest that is made here
			for i := range images {
				made := &archiveSource{ref: s.ref, files: s.files, layers: map[release.Digest]string{}, stats: s.stats}
				if made.assemble(images[i]) == nil && made.top.Digest == s.ref.Digest {
					return images[i], nil
				}
			}
		}
	case s.ref.Tag != "":
		found = choose(all, s.ref.Tag)
	}
	if len(found) == 0 {
		return savedImage{}, &NotFoundError{What: s.ref.String(), Hint: "the archive has " + list(all)}
	}
	// A name or digest can mean the same image twice. Without one, it is the
	// caller who chooses, whatever is the same.
	chosen := s.ref.Tag != "" || !s.ref.Digest.IsZero()
	if len(found) == 1 || chosen && len(merge(found)) == 1 {
		return images[found[0].entry], nil
	}
	return savedImage{}, ambiguous(s.ref, found)
}

func (s *archiveSource) configuration(image *savedImage) ([]byte, error) {
	if image.raw == nil {
		raw, err := readAll(s.files, image.Config)
		if err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		image.raw = raw
	}
	return image.raw, nil
}

// assemble makes the manifest of an image.
func (s *archiveSource) assemble(image savedImage) error {
	raw, err := s.configuration(&image)
	if err != nil {
		return err
	}
	var config v1.ConfigFile
	if err := decode(raw, &config); err != nil {
		return fmt.Errorf("configuration %s: %w", text.Show(image.Config), err)
	}
	if len(image.Layers) != len(config.RootFS.DiffIDs) {
		return fmt.Errorf("%d layers, but %d diff IDs in the configuration", len(image.Layers), len(config.RootFS.DiffIDs))
	}
	if len(image.Layers) > maxLayers {
		return fmt.Errorf("more than %d layers", maxLayers)
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.DockerManifestSchema2, Config: v1.Descriptor{
		MediaType: types.DockerConfigJSON, Size: int64(len(raw)), Digest: hashOf(release.DigestBytes(raw)),
	}, Layers: []v1.Descriptor{}}
	for i, name := range image.Layers {
		diffID := config.RootFS.DiffIDs[i]
		if d := image.LayerSources[diffID.String()]; !d.MediaType.IsDistributable() && !s.files.has(name) {
			m.Layers = append(m.Layers, d) // its owner distributes it
			continue
		}
		d, err := s.layer(name, diffID)
		if err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		m.Layers = append(m.Layers, d)
	}
	s.config = raw
	if s.manifest, err = json.Marshal(m); err != nil {
		return err
	}
	s.top = Descriptor{string(m.MediaType), release.DigestBytes(s.manifest), int64(len(s.manifest))}
	return nil
}

// layer describes a layer as it is stored. The digest of one that is not
// compressed is its diff ID, which is checked when the layer is read.
func (s *archiveSource) layer(name string, diffID v1.Hash) (v1.Descriptor, error) {
	l, err := s.stat(name)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: l.mediaType, Digest: diffID, Size: l.size}
	if l.mediaType != types.DockerUncompressedLayer {
		d.Digest = l.digest
	}
	digest, err := digestOf(d.Digest)
	s.layers[digest] = name
	return d, err
}

// stat looks at a layer's file, the first time that a name or link leads to it.
func (s *archiveSource) stat(name string) (storedLayer, error) {
	e, err := s.files.entry(name)
	if err != nil {
		return storedLayer{}, err
	}
	if l, ok := s.stats[e.offset]; ok {
		return l, nil
	}
	rc, err := s.files.open(name)
	if err != nil {
		return storedLayer{}, err
	}
	defer rc.Close()
	magic := make([]byte, 4)
	n, err := io.ReadFull(rc, magic)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return storedLayer{}, err
	}
	l := storedLayer{mediaType: types.DockerUncompressedLayer, size: e.bytes}
	switch {
	case bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b}):
		l.mediaType = types.DockerLayer
	case bytes.Equal(magic[:n], []byte{0x28, 0xb5, 0x2f, 0xfd}):
		l.mediaType = types.OCILayerZStd
	}
	if l.mediaType != types.DockerUncompressedLayer {
		sum := release.NewHasher()
		if _, err := io.Copy(sum, io.MultiReader(bytes.NewReader(magic[:n]), rc)); err != nil {
			return storedLayer{}, err
		}
		l.digest = hashOf(sum.Digest())
	}
	s.stats[e.offset] = l
	return l, nil
}

func (s *archiveSource) place() Ref { return s.ref }

func (s *archiveSource) stored(n int64) int64 { return s.files.stored(n) }

func (s *archiveSource) Resolve(context.Context) (Descriptor, error) { return s.top, nil }

func (s *archiveSource) Manifest(_ context.Context, d release.Digest) (string, []byte, error) {
	if d != s.top.Digest {
		return "", nil, &NotFoundError{What: "manifest " + d.String() + " in " + s.ref.String()}
	}
	return s.top.MediaType, s.manifest, nil
}

func (s *archiveSource) Blob(_ context.Context, d Descriptor) (io.ReadCloser, error) {
	where := d.Digest.String() + " in " + s.ref.String()
	if d.Digest == release.DigestBytes(s.config) {
		return newChecked(io.NopCloser(bytes.NewReader(s.config)), d, "configuration", where), nil
	}
	name, ok := s.layers[d.Digest]
	if !ok {
		return nil, &NotFoundError{What: "blob " + where}
	}
	rc, err := s.files.open(name)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", where, err)
	}
	return newChecked(rc, d, "blob", where), nil
}

// legacyLayer is the file json of a layer's directory in an archive of Docker
// before 1.10 (moby, image/spec/v1.md).
type legacyLayer struct {
	ID           string          `json:"id"`
	Parent       string          `json:"parent"`
	Created      json.RawMessage `json:"created,omitempty"`
	Author       string          `json:"author,omitempty"`
	Comment      string          `json:"comment,omitempty"`
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	Config       json.RawMessage `json:"config,omitempty"`
	Container    struct {
		Cmd []string
	} `json:"container_config"`
}

// legacyImages lists the images of an archive without manifest.json: those that
// repositories names and, as `docker save ID` named none, those without a child.
func legacyImages(files *archiveFiles) ([]savedImage, error) {
	layers := map[string]legacyLayer{}
	parents := map[string]bool{}
	var ids []string
	total := 0
	for _, name := range files.names {
		id, file := path.Split(name)
		if id = strings.TrimSuffix(id, "/"); file != "json" || id == "" || strings.Contains(id, "/") {
			continue
		}
		raw, err := readAll(files, name)
		if err != nil {
			return nil, err
		}
		if total += len(raw); total > maxConfigurations {
			return nil, fmt.Errorf("configurations of more than %d bytes", maxConfigurations)
		}
		var l legacyLayer
		if err := decode(raw, &l); err != nil {
			return nil, fmt.Errorf("%s: %w", text.Show(name), err)
		}
		layers[id], parents[l.Parent] = l, true
		if ids = append(ids, id); len(ids) > maxSavedImages*4 {
			return nil, fmt.Errorf("more than %d layers", maxSavedImages*4)
		}
	}
	if len(ids) == 0 {
		return nil, errors.New("expected manifest.json or the layers of an older docker save: found neither")
	}
	names := map[string][]string{} // by layer
	if files.has("repositories") {
		raw, err := readAll(files, "repositories")
		if err != nil {
			return nil, err
		}
		var repositories map[string]map[string]string
		if err := decode(raw, &repositories); err != nil {
			return nil, fmt.Errorf("repositories: %w", err)
		}
		for repository, tags := range repositories {
			for tag, id := range tags {
				if _, ok := layers[id]; !ok {
					return nil, fmt.Errorf("repositories: %s is layer %s, which is missing", text.Show(repository+":"+tag), text.Show(id))
				}
				names[id] = append(names[id], repository+":"+tag)
			}
		}
	}
	var images []savedImage
	diffIDs := map[string]v1.Hash{} // by layer
	for _, id := range ids {
		if len(names[id]) == 0 && parents[id] {
			continue
		}
		if len(images) == maxSavedImages {
			return nil, fmt.Errorf("more than %d images", maxSavedImages)
		}
		slices.Sort(names[id])
		image, err := legacyImage(files, layers, diffIDs, id)
		if err != nil {
			return nil, err
		}
		if total += len(image.raw); total > maxConfigurations {
			return nil, fmt.Errorf("configurations of more than %d bytes", maxConfigurations)
		}
		image.RepoTags = names[id]
		images = append(images, image)
	}
	if len(images) == 0 {
		return nil, errors.New("every layer is the parent of another")
	}
	return images, nil
}

// legacyImage makes the configuration of an image from its chain of layers.
func legacyImage(files *archiveFiles, layers map[string]legacyLayer, diffIDs map[string]v1.Hash, id string) (savedImage, error) {
	top := layers[id]
	image := savedImage{Config: id + "/json"}
	type history struct {
		Created   json.RawMessage `json:"created,omitempty"`
		Author    string          `json:"author,omitempty"`
		CreatedBy string          `json:"created_by,omitempty"`
		Comment   string          `json:"comment,omitempty"`
	}
	config := struct {
		Created      json.RawMessage `json:"created,omitempty"`
		Author       string          `json:"author,omitempty"`
		Architecture string          `json:"architecture"`
		OS           string          `json:"os"`
		Config       json.RawMessage `json:"config,omitempty"`
		RootFS       v1.RootFS       `json:"rootfs"`
		History      []history       `json:"history"`
	}{Created: top.Created, Author: top.Author, Architecture: top.Architecture, OS: top.OS, Config: top.Config, RootFS: v1.RootFS{Type: "layers"}}
	if config.OS == "" {
		config.OS = "linux" // the only one when the field was optional
	}
	if config.Architecture == "" {
		config.Architecture = "amd64"
	}
	for at := id; at != ""; at = layers[at].Parent {
		l, ok := layers[at]
		if !ok {
			return image, fmt.Errorf("layer %s is missing", text.Show(at))
		}
		if len(image.Layers) == maxLayers {
			return image, fmt.Errorf("layer %s: more than %d layers below it", text.Show(id), maxLayers)
		}
		if _, ok := diffIDs[at]; !ok {
			sum := release.NewHasher()
			rc, err := files.open(at + "/layer.tar")
			if err != nil {
				return image, err
			}
			_, err = io.Copy(sum, rc)
			_ = rc.Close()
			if err != nil {
				return image, err
			}
			diffIDs[at] = hashOf(sum.Digest())
		}
		image.Layers = append(image.Layers, at+"/layer.tar")
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffIDs[at])
		config.History = append(config.History, history{l.Created, l.Author, strings.Join(l.Container.Cmd, " "), l.Comment})
	}
	slices.Reverse(image.Layers)
	slices.Reverse(config.RootFS.DiffIDs)
	slices.Reverse(config.History)
	var err error
	image.raw, err = json.Marshal(config)
	return image, err
}
