package read

// A field is what an element is for.
type field uint8

const (
	fieldTitle     field = iota
	fieldAtomTitle       // of Atom, with the attributes that say how it is written; as the next two
	fieldAtomSummary
	fieldAtomContent
	fieldDescription
	fieldSummary // of RSS
	fieldEncoded // content:encoded
	fieldContent // of RSS
	fieldBody    // of XHTML
	fieldGUID
	fieldAtomID
	fieldLink
	fieldOrigLink
	fieldSource // of Atom: the feed that an entry is from
	fieldUpdated
	fieldIssued
	fieldCreated
	fieldModified
	fieldDCDate
	fieldDCTitle
	fieldDCDescription
	fieldDCIdentifier
	fieldITunesTitle
	fieldITunesSummary
	fieldITunesSubtitle
	fieldMediaTitle
	fieldMediaDescription
	fieldGoogleDescription

	// Those from here on may be there several times, and all count.
	fieldPublished
	fieldAuthor
	fieldCreator
	fieldITunesAuthor
	fieldAtomAuthor
	fieldGoogleAuthor
	fieldCategory
	fieldKeywords
	fieldImage
	fieldEnclosure
	fieldOrigFile // where the file before it is, without a redirector
	fieldThumbnail
	fieldRelated // a link of Atom in an item of RSS

	fields    // how many there are
	firstList = fieldPublished
)

// The fields of a feed come after those of an item.
const (
	headTitle = fields + iota
	headDCTitle
	headLink
	headAtomLink
	headAuthor
	headTTL
	headHours
	headDays
	headPeriod
	headFrequency
	heads
)

// What is no field: elements that stand around others, and such as say nothing that
// is stored.
const (
	partChannel = heads + iota
	partItems
	partItem
	partGroup
	partFile
	partTopic // media:category, whose text is a path in somebody's taxonomy
	partOther
)

// headElements and itemElements hold the elements of the formats, RSS first and then
// Atom, by their names in small letters.
var (
	headElements = [2]map[string]field{{
		"item": partItem, "entry": partItem, "channel": partChannel, "items": partItems, "title": headTitle, "link": headLink,
		"ttl": headTTL, "skiphours": headHours, "skipdays": headDays, "image": partOther, "textinput": partOther,
	}, {
		"entry": partItem, "item": partItem, "title": headTitle, "link": headLink, "author": headAuthor,
		"id": partOther, "updated": partOther, "modified": partOther, "subtitle": partOther, "tagline": partOther, "generator": partOther,
	}}
	itemElements = [2]map[string]field{{
		"title": fieldTitle, "description": fieldDescription, "link": fieldLink, "guid": fieldGUID, "author": fieldAuthor,
		"pubdate": fieldPublished, "category": fieldCategory, "categories": fieldCategory, "enclosure": fieldEnclosure, "image": fieldImage,
		"content": fieldContent, "encoded": fieldContent, "fulltext": fieldContent, "fullitem": fieldContent, "body": fieldBody, "id": fieldAtomID,
		"summary": fieldSummary, "updated": fieldUpdated, "published": fieldIssued, "date": fieldIssued,
	}, {
		"title": fieldAtomTitle, "id": fieldGUID, "guid": fieldGUID, "summary": fieldAtomSummary, "description": fieldAtomSummary,
		"content": fieldAtomContent, "published": fieldIssued, "issued": fieldIssued, "pubdate": fieldPublished, "updated": fieldUpdated,
		"modified": fieldUpdated, "created": fieldCreated, "author": fieldAuthor, "source": fieldSource, "category": fieldCategory, "link": fieldLink,
		"enclosure": fieldEnclosure,
	}}
)

// A foreign is an element of a vocabulary that is not the format's.
type foreign struct {
	vocab vocabulary
	local string
}

// foreignHead and foreignItem hold those that are fields of a feed and of an item.
var (
	foreignHead = map[foreign]field{
		{vocabDC, "title"}:                    headDCTitle,
		{vocabDC, "creator"}:                  headAuthor,
		{vocabITunes, "author"}:               headAuthor,
		{vocabGooglePlay, "author"}:           headAuthor,
		{vocabAtom, "author"}:                 headAuthor,
		{vocabAtom, "link"}:                   headAtomLink,
		{vocabSyndication, "updateperiod"}:    headPeriod,
		{vocabSyndication, "updatefrequency"}: headFrequency,
	}
	foreignItem = map[foreign]field{
		{vocabContent, "encoded"}:     fieldEncoded,
		{vocabXHTML, "body"}:          fieldBody,
		{vocabEnclosure, "enclosure"}: fieldEnclosure,

		{vocabDC, "title"}:       fieldDCTitle,
		{vocabDC, "creator"}:     fieldCreator,
		{vocabDC, "author"}:      fieldCreator,
		{vocabDC, "subject"}:     fieldCategory,
		{vocabDC, "description"}: fieldDCDescription,
		{vocabDC, "date"}:        fieldDCDate,
		{vocabDC, "identifier"}:  fieldDCIdentifier,
		{vocabDC, "abstract"}:    fieldDCDescription, // as the next ones, of DCMI's terms
		{vocabDC, "issued"}:      fieldIssued,
		{vocabDC, "created"}:     fieldCreated,
		{vocabDC, "modified"}:    fieldModified,

		{vocabITunes, "title"}:    fieldITunesTitle,
		{vocabITunes, "author"}:   fieldITunesAuthor,
		{vocabITunes, "summary"}:  fieldITunesSummary,
		{vocabITunes, "subtitle"}: fieldITunesSubtitle,
		{vocabITunes, "keywords"}: fieldKeywords,
		{vocabITunes, "category"}: fieldCategory,
		{vocabITunes, "image"}:    fieldImage,
		{vocabITunes, "link"}:     fieldImage, // as the first podcasts had it

		{vocabGooglePlay, "author"}:      fieldGoogleAuthor,
		{vocabGooglePlay, "description"}: fieldGoogleDescription,

		{vocabAtom, "title"}:     fieldAtomTitle,
		{vocabAtom, "id"}:        fieldAtomID,
		{vocabAtom, "summary"}:   fieldAtomSummary,
		{vocabAtom, "content"}:   fieldAtomContent,
		{vocabAtom, "author"}:    fieldAtomAuthor,
		{vocabAtom, "category"}:  fieldCategory,
		{vocabAtom, "link"}:      fieldRelated,
		{vocabAtom, "published"}: fieldIssued,
		{vocabAtom, "issued"}:    fieldIssued,
		{vocabAtom, "created"}:   fieldCreated,
		{vocabAtom, "updated"}:   fieldUpdated,
		{vocabAtom, "modified"}:  fieldUpdated,

		{vocabMedia, "group"}:       partGroup,
		{vocabMedia, "content"}:     partFile,
		{vocabMedia, "thumbnail"}:   fieldThumbnail,
		{vocabMedia, "title"}:       fieldMediaTitle,
		{vocabMedia, "description"}: fieldMediaDescription,
		{vocabMedia, "keywords"}:    fieldKeywords,
		{vocabMedia, "category"}:    partTopic,
		{vocabMedia, "peerlink"}:    fieldEnclosure,

		{vocabFeedBurner, "origlink"}:          fieldOrigLink,
		{vocabFeedBurner, "origenclosurelink"}: fieldOrigFile,
	}
)
