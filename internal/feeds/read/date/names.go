package date

import (
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// monthNames and dayNames hold the names of months, January first, and of days,
// Monday first, one language to a line; other forms of a name follow a slash. A
// word is a name when a name begins with it, which covers abbreviations.
//
// Calendars other than the Gregorian have no names here: Persian, Thai and
// Hebrew months fall at other times.
const monthNames = `
january february march/mar april may june july august september october november december
januar/jänner februar/feber märz/mrz april mai juni juli august september oktober november dezember
januari februari maart/mrt april mei juni juli augustus september oktober november december
janvier février mars avril mai juin juillet août septembre octobre novembre décembre
enero febrero marzo abril mayo junio julio agosto septiembre/setiembre octubre noviembre diciembre
gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
gener febrer març abril maig juny juliol agost setembre octubre novembre desembre
xaneiro febreiro marzo abril maio xuño xullo agosto setembro outubro novembro decembro
ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie
januari februari mars april maj juni juli augusti september oktober november december
januar februar marts april maj juni juli august september oktober november december
januar februar mars april mai juni juli august september oktober november desember
janúar febrúar mars apríl maí júní júlí ágúst september október nóvember desember
tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta
jaanuar veebruar märts aprill mai juuni juuli august september oktoober november detsember
stycznia/styczeń lutego/luty marca/marzec kwietnia/kwiecień maja czerwca/czerwiec lipca/lipiec sierpnia/sierpień września/wrzesień października/październik listopada grudnia/grudzień
ledna/leden února/únor března/březen dubna/duben května/květen června/červen/čvn července/červenec/čvc srpna/srpen září října/říjen listopadu prosince/prosinec
januára februára marca/marec apríla mája júna júla augusta septembra októbra novembra decembra
januar februar marec/marca april maj junij julij avgust september oktober november december
siječnja/siječanj veljače/veljača ožujka/ožujak travnja/travanj svibnja/svibanj lipnja/lipanj srpnja/srpanj kolovoza rujna/rujan listopada studenoga/studeni prosinca/prosinac
januar februar mart april maj jun jul avgust septembar oktobar novembar decembar
január február március április május június július augusztus szeptember október november december
janvāris/janvārī februāris/februārī marts/martā aprīlis/aprīlī maijs/maijā jūnijs/jūnijā jūlijs/jūlijā augusts/augustā septembris/septembrī oktobris/oktobrī novembris/novembrī decembris/decembrī
sausio/sausis vasario/vasaris kovo/kovas balandžio/balandis gegužės/gegužė birželio/birželis liepos/liepa rugpjūčio/rugpjūtis rugsėjo/rugsėjis spalio/spalis lapkričio/lapkritis gruodžio/gruodis
ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
januari februari maret april mei juni juli agustus/agt september oktober november desember
urtarrila otsaila martxoa apirila maiatza ekaina uztaila abuztua iraila urria azaroa abendua
января/январь февраля/февраль марта апреля/апрель мая/май июня/июнь июля/июль августа сентября/сентябрь октября/октябрь ноября/ноябрь декабря/декабрь
січня/січень лютого/лютий березня/березень квітня/квітень травня/травень червня/червень липня/липень серпня/серпень вересня/вересень жовтня/жовтень листопада грудня/грудень
януари февруари март април май юни юли август септември октомври ноември декември
јануар фебруар март април мај јун јул август септембар октобар новембар децембар
ιανουαρίου/ιανουάριος φεβρουαρίου/φεβρουάριος μαρτίου/μάρτιος απριλίου/απρίλιος μαΐου/μάιος ιουνίου/ιούνιος ιουλίου/ιούλιος αυγούστου/αύγουστος σεπτεμβρίου/σεπτέμβριος οκτωβρίου/οκτώβριος νοεμβρίου/νοέμβριος δεκεμβρίου/δεκέμβριος
يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر`

const weekdayNames = `
monday tuesday wednesday thursday friday saturday sunday
montag dienstag mittwoch donnerstag freitag samstag/sonnabend sonntag
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
lundi mardi mercredi jeudi vendredi samedi dimanche
lunes martes/mar miércoles jueves viernes sábado domingo
lunedì martedì mercoledì giovedì venerdì sabato domenica
segunda terça quarta quinta sexta sábado domingo
dilluns/dl dimarts/dt dimecres/dc dijous/dj divendres/dv dissabte/ds diumenge/dg
luns martes mércores xoves venres sábado domingo
luni marți miercuri joi vineri sâmbătă duminică
måndag tisdag onsdag torsdag fredag lördag söndag
mandag tirsdag onsdag torsdag fredag lørdag søndag
mánudagur þriðjudagur miðvikudagur fimmtudagur föstudagur laugardagur sunnudagur
maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai
esmaspäev teisipäev kolmapäev neljapäev reede laupäev pühapäev
poniedziałek/pn wtorek środa czwartek piątek/pt sobota niedziela/nd
pondělí úterý středa čtvrtek pátek sobota neděle
pondelok utorok streda štvrtok piatok sobota nedeľa
ponedeljek torek sreda četrtek petek sobota nedelja
ponedjeljak utorak srijeda četvrtak petak subota nedjelja
ponedeljak utorak sreda četvrtak petak subota nedelja
hétfő kedd szerda csütörtök péntek szombat vasárnap
pirmdiena otrdiena trešdiena ceturtdiena piektdiena sestdiena svētdiena
pirmadienis antradienis trečiadienis ketvirtadienis penktadienis šeštadienis sekmadienis
pazartesi/pzt salı çarşamba perşembe cuma cumartesi/cmt pazar
senin selasa rabu kamis jumat sabtu minggu
astelehena asteartea asteazkena osteguna ostirala larunbata igandea
понедельник/пн вторник среда четверг/чт пятница/пт суббота/сб воскресенье/вс
понеділок вівторок середа четвер п'ятниця субота неділя/нд
понеделник вторник сряда четвъртък петък събота неделя
понедељак уторак среда четвртак петак субота недеља
δευτέρα τρίτη τετάρτη πέμπτη παρασκευή σάββατο κυριακή
الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت الأحد
星期一 星期二 星期三 星期四 星期五 星期六 星期日/星期天
周一 周二 周三 周四 周五 周六 周日
月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日
월요일 화요일 수요일 목요일 금요일 토요일 일요일`

// A dateName is a name as it is looked up, and what it may mean: bit n for
// month n (0 is January), bit firstDay+n for day n (0 is Monday).
type dateName struct {
	text string
	may  uint32
}

const (
	firstDay = 16
	months   = 1<<12 - 1
	weekdays = (1<<7 - 1) << firstDay
)

// dateNames returns all names in order. Few processes need them, since nearly
// all dates have English names in one of two forms.
var dateNames = sync.OnceValue(func() []dateName {
	var names []dateName
	add := func(lines string, first int) {
		for line := range strings.Lines(strings.TrimSpace(lines)) {
			for i, forms := range strings.Fields(line) {
				for form := range strings.SplitSeq(forms, "/") {
					names = append(names, dateName{foldWord(form), 1 << (first + i)})
				}
			}
		}
	}
	add(monthNames, 0)
	add(weekdayNames, firstDay)
	slices.SortFunc(names, func(a, b dateName) int { return strings.Compare(a.text, b.text) })
	return names
})

// nameOf returns what word, which is folded, may mean as a name. A whole name
// is what it says, whatever longer ones begin with it. Of months at least three
// letters count, of days two, or one of Chinese writing.
func nameOf(word string) (may uint32) {
	runes := utf8.RuneCountInString(word)
	if r, _ := utf8.DecodeRuneInString(word); runes < 2 && !unicode.Is(unicode.Han, r) {
		return 0
	}
	names := dateNames()
	at, _ := slices.BinarySearchFunc(names, word, func(n dateName, w string) int { return strings.Compare(n.text, w) })
	for whole := false; at < len(names) && strings.HasPrefix(names[at].text, word); at++ {
		if same := len(names[at].text) == len(word); same || !whole {
			may |= names[at].may
			whole = whole || same
		}
	}
	if runes < 3 {
		may &= weekdays
	}
	return may
}

// foldWord returns word in small letters without accents, since half of the
// feeds that should write them do not.
func foldWord(word string) string {
	word = strings.ToLower(word)
	if isASCII(word) {
		return word
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r), r == '\'', r == '’':
			return -1
		case r == 'ς':
			return 'σ'
		}
		return r
	}, norm.NFKD.String(word))
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
