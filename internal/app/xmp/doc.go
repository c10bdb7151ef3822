// Package xmp writes the names of faces into XMP sidecars, where photo programs
// look for them, and keeps everything else that is in a sidecar.
//
// A sidecar is XML: rdf:RDF with properties in rdf:Description (ISO 16684-1).
// Faces are described by
//
//   - mwg-rs:Regions, the Metadata Working Group's face regions: for each face
//     its place, the type Face and the name. Places are in parts of the picture
//     as it is stored, before it is turned by its EXIF orientation, whose sides
//     are in AppliedToDimensions;
//   - Iptc4xmpExt:PersonInImage and dc:subject, lists of names, for programs
//     that know no regions.
//
// Merge changes nothing but what facerec wrote itself: every other byte, with
// comments and unknown properties, stays as it is. Regions of facerec are marked
// in their mwg-rs:Extensions; which names it added to the two lists is noted in
// lists of its own namespace. A region of another program for the same face is
// kept, and counts: facerec adds none there.
//
// What is read is bounded in bytes, depth and elements; document type
// declarations are refused, so there are no entities but XML's own.
package xmp

// Namespaces, by the prefixes that are used for them here.
const (
	nsX       = "adobe:ns:meta/"
	nsRDF     = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsXML     = "http://www.w3.org/XML/1998/namespace"
	nsDC      = "http://purl.org/dc/elements/1.1/"
	nsExt     = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
	nsMWG     = "http://www.metadataworkinggroup.com/schemas/regions/"
	nsArea    = "http://ns.adobe.com/xmp/sType/Area#"
	nsDim     = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
	nsFacerec = "urn:facerec:xmp:1#"
)

// uris are the namespaces of the prefixes that facerec writes.
var uris = map[string]string{
	"rdf": nsRDF, "dc": nsDC, "Iptc4xmpExt": nsExt, "mwg-rs": nsMWG, "stArea": nsArea, "stDim": nsDim, "facerec": nsFacerec,
}

// Limits of what is read.
const (
	// MaxBytes is the largest sidecar that is read.
	MaxBytes = 16 << 20
	// maxDepth is how deeply elements may be nested.
	maxDepth = 64
	// maxNodes is how many elements and attributes there may be.
	maxNodes = 200_000
)

// empty is the sidecar that faces are merged into where there is none.
const empty = `<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="facerec">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="">
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`
