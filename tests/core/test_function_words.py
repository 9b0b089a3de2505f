"""Languages of the Latin script told by their function words, without false alarms on English, names and code."""

import gzip
import json
from itertools import islice

import pytest

from anyrank.core.function_words import foreign_language


@pytest.mark.parametrize(
    ("language", "text"),
    [
        (
            "de",
            "Der Auftrieb an einem Tragflügel entsteht, weil die Luft oben schneller strömt als an der Unterseite.",
        ),
        ("de", "Bei Kindern mit Fieber sollte man zuerst die Temperatur messen und ausreichend Flüssigkeit geben."),
        ("de", "Die Hauptstadt von Frankreich ist Paris."),
        ("de", "Wie lange hält sich gekochter Reis im Kühlschrank?"),
        ("de", "Das Protein bindet an den Rezeptor und hemmt damit die Signalübertragung in der Zelle."),
        ("fr", "La capitale de la France est Paris."),
        ("fr", "Le vaccin contre la grippe est recommandé chaque année pour les personnes âgées."),
        ("fr", "Comment enlever une tache de vin sur un tapis ?"),
        ("fr", "Les ailes d'un avion produisent la portance parce que l'air circule plus vite sur le dessus."),
        ("fr", "Cette fonction renvoie la liste des éléments qui sont pairs."),
        ("es", "La capital de Francia es París."),
        ("es", "¿Cuáles son los síntomas de la falta de hierro?"),
        ("es", "El ala de un avión produce sustentación porque el aire circula más rápido por encima."),
        ("es", "Esta función devuelve la lista de los elementos que son pares."),
        ("es", "Vestido rojo de algodón con mangas largas y bolsillos para el verano"),
        ("it", "La capitale della Francia è Parigi."),
        ("it", "Quali sono i sintomi della carenza di ferro?"),
        ("it", "L'ala di un aereo produce portanza perché l'aria scorre più veloce sopra di essa e non sotto."),
        ("it", "Questa funzione restituisce la lista degli elementi che sono pari."),
        ("it", "La proteina si lega al recettore e blocca il segnale nella cellula."),
        ("pt", "A capital da França é Paris, uma cidade muito antiga."),
        ("pt", "Quais são os sintomas da falta de ferro?"),
        ("pt", "A asa de um avião produz sustentação porque o ar passa mais rápido por cima dela."),
        ("pt", "Esta função devolve a lista dos elementos que são pares."),
        ("pt", "Vestido vermelho de algodão com mangas compridas e bolsos para o verão"),
        ("nl", "Wat zijn de symptomen van een tekort aan ijzer?"),
        ("nl", "De vleugel van een vliegtuig geeft draagkracht omdat de lucht er sneller overheen stroomt."),
        ("nl", "Deze functie geeft de lijst van de elementen die even zijn."),
        ("nl", "Rode jurk van katoen met lange mouwen en zakken voor de zomer"),
        ("nl", "Het eiwit bindt aan de receptor en blokkeert het signaal in de cel."),
        ("sv", "Det är inte möjligt att avboka beställningen efter att den har skickats."),
        ("da", "Det er ikke muligt at annullere bestillingen, efter at den er sendt."),
        ("fi", "Ranskan pääkaupunki on Pariisi, ja se on hyvin vanha."),
        ("pl", "Stolicą Francji jest Paryż, który jest bardzo starym miastem na północy."),
        ("tr", "Fransa'nın başkenti Paris'tir ve bu şehir çok eski bir şehir olarak bilinir."),
        ("id", "Ibu kota Prancis adalah Paris dan kota itu sangat tua untuk dikunjungi."),
        ("vi", "Thủ đô của Pháp là Paris và thành phố này được nhiều người biết đến."),
        ("cs", "Hlavním městem Francie je Paříž, která je na severu a je velmi stará."),
        ("hu", "Franciaország fővárosa Párizs, és ez egy nagyon régi város, amely az északi részen van."),
        ("ro", "Capitala Franței este Paris și acest oraș este foarte vechi."),
    ],
)
def test_a_sentence_tells_its_language(language, text):
    assert foreign_language([text], ["en"]) == language
    assert foreign_language([text], ["en", language]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "def f(x):\n    return [i for i in x if i % 2 == 0]",
        "for (int i = 0; i < n; ++i) { sum += a[i]; }",
        "El Niño and La Niña",
        "University of Las Vegas",
        "Charles de Gaulle airport Paris terminal 2",
        "Vincent van Gogh Museum Amsterdam",
        "Los Angeles to Las Vegas",
        "Leonardo da Vinci, Ludwig van Beethoven, Simone de Beauvoir",
        "E = mc^2; a^2 + b^2 = c^2",
        "PEPTIDEK LVNELTEFAK YICDNQDTISSK",
        "SELECT id, name FROM users WHERE age > 30",
        "MALEAVDEIRFGHIDRK DE LA ES EN",
        "die casting mould temperature",
        "C# list of int",
        "best albums of De La Soul",
        "Cien años de soledad",
        "rue de la Paix",
        "Das Boot film review",
        "Les Miserables cast",
        "Die Hard 2",
        "Der Spiegel",
        "los alamos national lab history",
        "de novo synthesis of la crosse virus in vivo et al",
        "IL-2 and IL-10 in CD4 cells",
        "dal tadka recipe con carne non veg",
        "red shoe size 9 blue shoe size 8",
        "Müller, J., Schröder, A., van der Berg, P., de la Cruz, M., Dos Santos, R. (2019)",
        "AIDA GLES AK LADE LA ES EN IL ET UN",
        "ä ö ü é è å ø",
        "",
    ],
)
def test_names_code_formulas_and_peptides_have_none(text):
    assert foreign_language([text], ["en"]) == ""


def test_texts_are_taken_together():
    parts = ["Der Berg", "ist hoch", "und die Luft", "wird dünn"]
    assert all(foreign_language([part], ["en"]) == "" for part in parts)
    assert foreign_language(parts, ["en"]) == "de"


@pytest.mark.parametrize("name", ["scifact/corpus", "nfcorpus/corpus", "cranfield/corpus", "cosqa/corpus"])
def test_english_collections_raise_no_alarm(data, name):
    with gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 1000)]
    assert [text for text in texts for n in (60, 300) if foreign_language([text[:n]], ["en"])] == []
