import { h } from 'preact'
import './search.css'

export const Search = ({ rest }) => h('h1', { class: 'search' }, `Search, first version: ${rest}`)
