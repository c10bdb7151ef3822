package packages

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // what older RPMs compare headers with
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"facerec/internal/tarball"
)

// rpm is the format of the RPM package manager, version 4
// (rpm-software-management.github.io/rpm/manual/format_v4.html).
type rpm struct{}

const (
	rpmLeadMagic   = "\xed\xab\xee\xdb"
	rpmLeadSize    = 96
	rpmHeaderMagic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"
	rpmIndexEntry  = 16 // bytes of a header's index entry
)

// The types of a header's values.
const (
	rpmInt16       = 3
	rpmInt32       = 4
	rpmString      = 6
	rpmBinary      = 7
	rpmStringArray = 8
	rpmI18nString  = 9
)

// The tags that are written, and those of scripts.
const (
	rpmSignatures      = 62
	rpmImmutable       = 63
	rpmSigSHA1         = 269
	rpmSigSHA256       = 273
	rpmSigSize         = 1000
	rpmSigPayloadSize  = 1007
	rpmI18nTable       = 100
	rpmName            = 1000
	rpmVersion         = 1001
	rpmRelease         = 1002
	rpmSummary         = 1004
	rpmDescription     = 1005
	rpmBuildTime       = 1006
	rpmBuildHost       = 1007
	rpmSize            = 1009
	rpmLicence         = 1014
	rpmPackager        = 1015
	rpmGroup           = 1016
	rpmURL             = 1020
	rpmOS              = 1021
	rpmArch            = 1022
	rpmFileSizes       = 1028
	rpmFileModes       = 1030
	rpmFileRdevs       = 1033
	rpmFileMtimes      = 1034
	rpmFileDigests     = 1035
	rpmFileLinkTos     = 1036
	rpmFileFlags       = 1037
	rpmFileUser        = 1039
	rpmFileGroup       = 1040
	rpmSource          = 1044
	rpmFileVerify      = 1045
	rpmProvideName     = 1047
	rpmRequireFlags    = 1048
	rpmRequireName     = 1049
	rpmRequireVersion  = 1050
	rpmFileDevices     = 1095
	rpmFileInodes      = 1096
	rpmFileLangs       = 1097
	rpmProvideFlags    = 1112
	rpmProvideVersion  = 1113
	rpmDirIndexes      = 1116
	rpmBaseNames       = 1117
	rpmDirNames        = 1118
	rpmPayloadFormat   = 1124
	rpmPayloadComp     = 1125
	rpmPayloadFlags    = 1126
	rpmFileDigestAlgo  = 5011
	rpmPayloadDigest   = 5092
	rpmPayloadDigestAl = 5093
	rpmPayloadAlt      = 5097
)

// rpmTagNames are what people call them.
var rpmTagNames = map[uint32]string{
	rpmI18nTable: "HEADERI18NTABLE", rpmName: "NAME", rpmVersion: "VERSION", rpmRelease: "RELEASE", 1003: "EPOCH", rpmSummary: "SUMMARY",
	rpmDescription: "DESCRIPTION", rpmBuildTime: "BUILDTIME", rpmBuildHost: "BUILDHOST", rpmSize: "SIZE", 1010: "DISTRIBUTION",
	1011: "VENDOR", rpmLicence: "LICENSE", rpmPackager: "PACKAGER", rpmGroup: "GROUP", rpmURL: "URL", rpmOS: "OS", rpmArch: "ARCH",
	1023: "PREIN script", 1024: "POSTIN script", 1025: "PREUN script", 1026: "POSTUN script", 1085: "PREINPROG", 1086: "POSTINPROG",
	1087: "PREUNPROG", 1088: "POSTUNPROG", 1065: "TRIGGERSCRIPTS script", 1079: "VERIFYSCRIPT script", 1151: "PRETRANS script", 1152: "POSTTRANS script",
	1153: "PRETRANSPROG", 1154: "POSTTRANSPROG", 5066: "FILETRIGGERSCRIPTS script", 5076: "TRANSFILETRIGGERSCRIPTS script", 5104: "PREUNTRANS script", 5105: "POSTUNTRANS script",
	rpmFileSizes: "FILESIZES", rpmFileModes: "FILEMODES", rpmFileRdevs: "FILERDEVS", rpmFileMtimes: "FILEMTIMES",
	rpmFileDigests: "FILEDIGESTS", rpmFileLinkTos: "FILELINKTOS", rpmFileFlags: "FILEFLAGS", rpmFileUser: "FILEUSERNAME",
	rpmFileGroup: "FILEGROUPNAME", rpmSource: "SOURCERPM", rpmFileVerify: "FILEVERIFYFLAGS", rpmProvideName: "PROVIDENAME",
	rpmRequireFlags: "REQUIREFLAGS", rpmRequireName: "REQUIRENAME", rpmRequireVersion: "REQUIREVERSION", 1054: "CONFLICTNAME", 1064: "RPMVERSION", 1090: "OBSOLETENAME",
	rpmFileDevices: "FILEDEVICES", rpmFileInodes: "FILEINODES", rpmFileLangs: "FILELANGS", rpmProvideFlags: "PROVIDEFLAGS",
	rpmProvideVersion: "PROVIDEVERSION", rpmPayloadFormat: "PAYLOADFORMAT", rpmPayloadComp: "PAYLOADCOMPRESSOR",
	rpmPayloadFlags: "PAYLOADFLAGS", 5010: "FILECAPS", rpmFileDigestAlgo: "FILEDIGESTALGO", rpmPayloadDigestAl: "PAYLOADDIGESTALGO",
}

const (
	rpmDigestSHA256 = 8
	rpmEqual        = 8               // a version as it is
	rpmFeature      = 1<<24 | 2 | 8   // what rpm itself must be able to do, or newer
	rpmDoc          = 2               // a file is documentation
	rpmOwner        = "root"          // of every file
	rpmHost         = "localhost"     // a package does not say where it was built
	rpmVerifyAll    = math.MaxUint32  // every property of a file counts
	rpmMaxSize      = math.MaxInt32   // bytes, of sizes that have four
	rpmTypeDir      = uint16(0o40000) // file types, as inodes have them
	rpmTypeFile     = uint16(0o100000)
	rpmTypeLink     = uint16(0o120000)
)

// owned are the entries that an RPM has: directories of the system belong to others.
func (p *Package) owned(all []tarball.Entry) []tarball.Entry {
	out := slices.DeleteFunc(all, func(e tarball.Entry) bool {
		return e.Type == tarball.Dir && !slices.Contains(strings.Split(e.Name, "/"), p.record.Name)
	})
	slices.SortFunc(out, func(a, b tarball.Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func rpmMode(e tarball.Entry) uint16 {
	switch e.Type {
	case tarball.Dir:
		return rpmTypeDir | uint16(e.Mode)
	case tarball.Symlink:
		return rpmTypeLink | uint16(e.Mode)
	}
	return rpmTypeFile | uint16(e.Mode)
}

func rpmFileSize(e tarball.Entry) int64 {
	switch e.Type {
	case tarball.Regular:
		return e.Content.Size()
	case tarball.Symlink:
		return int64(len(e.Link))
	}
	return 0
}

func (rpm) payload(p *Package) (tarball.Job, error) {
	var parts []tarball.Part
	size := int64(0)
	add := func(part tarball.Part, n int64) {
		size += n
		parts = append(parts, part)
	}
	raw := func(b []byte) { add(tarball.Part{Raw: b}, int64(len(b))) }
	for i, e := range p.held() {
		n := rpmFileSize(e)
		raw(cpioHeader("./"+e.Name, i+1, rpmMode(e), n))
		switch e.Type {
		case tarball.Regular:
			add(tarball.Part{Name: e.Name, Content: e.Content}, n)
		case tarball.Symlink:
			raw([]byte(e.Link))
		}
		raw(make([]byte, -n&3))
	}
	raw(cpioHeader(cpioTrailer, 0, 0, 0))
	raw(make([]byte, -size&511))
	if size > rpmMaxSize {
		return tarball.Job{}, fmt.Errorf("expected at most %d bytes in an RPM package, got %d", rpmMaxSize, size)
	}
	s, err := tarball.NewStream(parts...)
	return tarball.Job{Stream: s}, err
}

// cpioTrailer is the name of the entry at an archive's end.
const cpioTrailer = "TRAILER!!!"

// cpioHeader is a header of the "newc" form with its name, padded.
func cpioHeader(name string, inode int, mode uint16, size int64) []byte {
	b := []byte("070701")
	links := 1
	if mode&rpmTypeDir != 0 && mode&rpmTypeFile == 0 {
		links = 2
	}
	for _, n := range []int64{int64(inode), int64(mode), 0, 0, int64(links), 0, size, 0, 0, 0, 0, int64(len(name) + 1), 0} {
		b = fmt.Appendf(b, "%08x", n)
	}
	b = append(append(b, name...), 0)
	return append(b, make([]byte, -len(b)&3)...)
}

// rpmTag is a value of a header, as it lies there.
type rpmTag struct {
	tag, kind, count uint32
	data             []byte
}

func int16s(tag uint32, values []uint16) rpmTag {
	t := rpmTag{tag: tag, kind: rpmInt16, count: uint32(len(values))}
	for _, v := range values {
		t.data = append(t.data, byte(v>>8), byte(v))
	}
	return t
}

func int32s(tag uint32, values ...uint32) rpmTag {
	t := rpmTag{tag: tag, kind: rpmInt32, count: uint32(len(values))}
	for _, v := range values {
		t.data = append(t.data, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return t
}

func texts(tag, kind uint32, values ...string) rpmTag {
	t := rpmTag{tag: tag, kind: kind, count: uint32(len(values))}
	for _, v := range values {
		t.data = append(append(t.data, v...), 0)
	}
	return t
}

// encode writes a header: its index, the values, and the region that holds both
// together.
func encode(region uint32, tags []rpmTag) []byte {
	slices.SortFunc(tags, func(a, b rpmTag) int { return int(a.tag) - int(b.tag) })
	var index, store []byte
	entry := func(b []byte, tag, kind, offset, count uint32) []byte {
		for _, v := range []uint32{tag, kind, offset, count} {
			b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		return b
	}
	for _, t := range tags {
		align := map[uint32]int{rpmInt16: 2, rpmInt32: 4}[t.kind]
		for align > 0 && len(store)%align != 0 {
			store = append(store, 0)
		}
		index = entry(index, t.tag, t.kind, uint32(len(store)), t.count)
		store = append(store, t.data...)
	}
	n := uint32(len(tags) + 1)
	index = append(entry(nil, region, rpmBinary, uint32(len(store)), rpmIndexEntry), index...)
	store = entry(store, region, rpmBinary, -n*rpmIndexEntry, rpmIndexEntry)
	b := []byte(rpmHeaderMagic)
	for _, v := range []uint32{n, uint32(len(store))} {
		b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return append(append(b, index...), store...)
}

// header are the tags of the package. made is what the payload came to.
func (rpm) header(p *Package, made tarball.Result) ([]rpmTag, error) {
	version, number, _ := strings.Cut(p.version, "-")
	r := p.record
	first, rest := p.summary()
	if rest == "" {
		rest = first
	}
	group := r.Section
	if group == "" {
		group = "Unspecified"
	}
	tags := []rpmTag{
		texts(rpmI18nTable, rpmStringArray, "C"),
		texts(rpmName, rpmString, r.Name), texts(rpmVersion, rpmString, version), texts(rpmRelease, rpmString, number),
		texts(rpmSummary, rpmI18nString, first), texts(rpmDescription, rpmI18nString, rest), texts(rpmGroup, rpmI18nString, group),
		int32s(rpmBuildTime, 0), texts(rpmBuildHost, rpmString, rpmHost), int32s(rpmSize, uint32(p.installedSize())),
		texts(rpmPackager, rpmString, r.Maintainer), texts(rpmOS, rpmString, "linux"), texts(rpmArch, rpmString, p.arch),
		texts(rpmSource, rpmString, fmt.Sprintf("%s-%s.src.rpm", r.Name, p.version)),
		texts(rpmPayloadFormat, rpmString, "cpio"), texts(rpmPayloadComp, rpmString, "gzip"), texts(rpmPayloadFlags, rpmString, "6"),
		int32s(rpmFileDigestAlgo, rpmDigestSHA256), int32s(rpmPayloadDigestAl, rpmDigestSHA256),
		texts(rpmPayloadDigest, rpmStringArray, made.File.Hex()), texts(rpmPayloadAlt, rpmStringArray, made.Tar.Hex()),
		texts(rpmProvideName, rpmStringArray, r.Name), int32s(rpmProvideFlags, rpmEqual), texts(rpmProvideVersion, rpmStringArray, p.version),
	}
	if r.Licence != "" {
		tags = append(tags, texts(rpmLicence, rpmString, r.Licence))
	}
	if r.Homepage != "" {
		tags = append(tags, texts(rpmURL, rpmString, r.Homepage))
	}
	requires, err := rpmRequires(r.Depends, strings.Contains(version, "~"))
	if err != nil {
		return nil, err
	}
	return append(append(tags, requires...), rpmFiles(p.held())...), nil
}

// rpmRequires are the dependencies, "NAME" or "NAME OPERATOR VERSION", and what rpm
// itself must be able to do.
func rpmRequires(depends []string, tilde bool) ([]rpmTag, error) {
	var names, versions []string
	var flags []uint32
	add := func(name, version string, flag uint32) {
		names, versions, flags = append(names, name), append(versions, version), append(flags, flag)
	}
	for _, d := range depends {
		words := strings.Fields(d)
		flag, ok := map[string]uint32{"<": 2, ">": 4, "=": 8, "<=": 10, ">=": 12}[strings.Join(words[min(1, len(words)):min(2, len(words))], "")]
		switch {
		case len(words) == 1:
			add(d, "", 0)
		case len(words) == 3 && ok:
			add(words[0], words[2], flag)
		default:
			return nil, fmt.Errorf("depends: %q: expected NAME or NAME OPERATOR VERSION", d)
		}
	}
	add("rpmlib(CompressedFileNames)", "3.0.4-1", rpmFeature)
	add("rpmlib(FileDigests)", "4.6.0-1", rpmFeature)
	add("rpmlib(PayloadFilesHavePrefix)", "4.0-1", rpmFeature)
	if tilde {
		add("rpmlib(TildeInVersions)", "4.10.0-1", rpmFeature)
	}
	return []rpmTag{int32s(rpmRequireFlags, flags...), texts(rpmRequireName, rpmStringArray, names...), texts(rpmRequireVersion, rpmStringArray, versions...)}, nil
}

// rpmFiles are the tags that have a value for each file.
func rpmFiles(files []tarball.Entry) []rpmTag {
	n := len(files)
	var sizes, flags, dirs []uint32
	var modes []uint16
	var digests, links, bases, dirNames []string
	inodes := make([]uint32, n)
	for i, e := range files {
		inodes[i] = uint32(i + 1)
		sizes, modes, links = append(sizes, uint32(rpmFileSize(e))), append(modes, rpmMode(e)), append(links, e.Link)
		digest, flag := "", uint32(0)
		if e.Type == tarball.Regular {
			digest = e.Content.Digest().Hex()
			if strings.HasPrefix(e.Name, "usr/share/man/") || strings.HasPrefix(e.Name, "usr/share/doc/") {
				flag = rpmDoc
			}
		}
		digests, flags = append(digests, digest), append(flags, flag)
		at := strings.LastIndexByte(e.Name, '/') + 1
		dir := "/" + e.Name[:at]
		k := slices.Index(dirNames, dir)
		if k < 0 {
			k, dirNames = len(dirNames), append(dirNames, dir)
		}
		dirs, bases = append(dirs, uint32(k)), append(bases, e.Name[at:])
	}
	same := func(s string) []string { return slices.Repeat([]string{s}, n) }
	return []rpmTag{
		int32s(rpmFileSizes, sizes...), int16s(rpmFileModes, modes), int16s(rpmFileRdevs, make([]uint16, n)), int32s(rpmFileMtimes, make([]uint32, n)...),
		texts(rpmFileDigests, rpmStringArray, digests...), texts(rpmFileLinkTos, rpmStringArray, links...), int32s(rpmFileFlags, flags...),
		texts(rpmFileUser, rpmStringArray, same(rpmOwner)...), texts(rpmFileGroup, rpmStringArray, same(rpmOwner)...),
		int32s(rpmFileVerify, slices.Repeat([]uint32{rpmVerifyAll}, n)...), int32s(rpmFileDevices, slices.Repeat([]uint32{1}, n)...),
		int32s(rpmFileInodes, inodes...), texts(rpmFileLangs, rpmStringArray, same("")...),
		int32s(rpmDirIndexes, dirs...), texts(rpmBaseNames, rpmStringArray, bases...), texts(rpmDirNames, rpmStringArray, dirNames...),
	}
}

// rpmLead is what programs that know no headers go by.
func rpmLead(p *Package) []byte {
	b := make([]byte, rpmLeadSize)
	copy(b, rpmLeadMagic)
	b[4], b[9] = 3, 1                              // format 3.0, an architecture
	copy(b[10:10+65], p.record.Name+"-"+p.version) // and a NUL
	b[77], b[79] = 1, 5                            // Linux, signatures as headers
	return b
}

func (f rpm) around(_ context.Context, p *Package, made tarball.Result) (before, after []byte, err error) {
	tags, err := f.header(p, made)
	if err != nil {
		return nil, nil, err
	}
	header := encode(rpmImmutable, tags)
	sum1, sum256 := sha1.Sum(header), sha256.Sum256(header) //nolint:gosec // the format's
	size := int64(len(header)) + made.FileSize
	if size > rpmMaxSize {
		return nil, nil, errors.New("the package would be larger than 2 GiB")
	}
	signature := encode(rpmSignatures, []rpmTag{
		texts(rpmSigSHA1, rpmString, hex.EncodeToString(sum1[:])), texts(rpmSigSHA256, rpmString, hex.EncodeToString(sum256[:])),
		int32s(rpmSigSize, uint32(size)), int32s(rpmSigPayloadSize, uint32(made.TarSize)),
	})
	b := append(rpmLead(p), signature...)
	b = append(b, make([]byte, -len(signature)&7)...)
	return append(b, header...), nil, nil
}

func (f rpm) fields(p *Package) ([]Field, error) {
	tags, err := f.header(p, tarball.Result{})
	if err != nil {
		return nil, err
	}
	out := []Field{{Name: "lead", Value: leadValue(rpmLead(p))}}
	h, err := decode(encode(rpmImmutable, tags))
	if err != nil {
		return nil, err
	}
	fields, err := h.fields()
	return append(out, fields...), err
}

// leadValue is a lead for people.
func leadValue(b []byte) string {
	return hex.EncodeToString(b[4:10]) + " " + string(bytes.TrimRight(b[10:76], "\x00")) + " " + hex.EncodeToString(b[76:])
}
